"""Benchmark tables: CSV for programs, Markdown for people."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from fincompress.evaluation.results import (
    AGREEMENT,
    ALL_FAMILIES,
    BEHAVIOUR,
    BEHAVIOUR_OPEN,
    BEHAVIOUR_TESTS,
    BUILD_SECONDS,
    COLD_START,
    ECE,
    ECE_SCALED,
    EXTRA,
    EXTRA_F1,
    EXTRA_TEST,
    F1_DROP,
    INT8_PRODUCTS,
    LATENCY_VS_PUBLISHED,
    OVER_BEFORE,
    P50,
    P95,
    P99,
    PADDED_P50,
    PADDED_THROUGHPUT,
    PARAMETERS,
    PEAK_MEMORY,
    PRODUCTS,
    PUBLISHED_F1,
    REFERENCE_BEFORE,
    REFERENCE_FIRST,
    REFERENCE_LAST,
    SIZE,
    SPEEDUP,
    SPEEDUP_VS_SOURCE,
    TEMPERATURE,
    TEST,
    TEST_AGREEMENT,
    TEST_F1,
    THROUGHPUT,
    THROUGHPUT_VS_PUBLISHED,
    TOLERATED_SHARE,
    VAL_F1,
    Benchmark,
    Measurement,
    batch_throughput_key,
    batch_vs_published_key,
    behaviour_key,
    confident_errors_key,
    handed_over_key,
    measured_loads,
    thread_throughput_key,
)
from fincompress.promotion import CHAMPION, TEACHER
from fincompress.reports.behaviour_tables import behaviour_files, describe_weaknesses
from fincompress.reports.columns import (
    Cell,
    class_columns,
    difference_cell,
    markdown_table,
    metric_cell,
    metric_with_interval,
    origin_columns,
    p_value_cell,
    with_interval,
)

SYNTHETIC = "Synthetic corpus: these scores say nothing of real financial text."
RANDOM_NOTE = "Random weights: speed and size alone, there is no accuracy to report."
ENVIRONMENT_SHOWN = (
    "cpu", "instruction_sets", "cores", "threads", "load_average", "torch", "onnxruntime",
    "openvino", "nanotoken", "commit", BEHAVIOUR_TESTS, EXTRA_TEST, REFERENCE_FIRST, REFERENCE_LAST,
    REFERENCE_BEFORE,
)  # fmt: skip


def _products(own: Measurement) -> str:
    found = own.metrics
    return f"{found[INT8_PRODUCTS]:.0f} of {found[PRODUCTS]:.0f}" if PRODUCTS in found else ""


def _times(value: float) -> str:
    return f"{value:.1f}x" if value < 100 else f"{value:.0f}x"


QUALITY: dict[str, Cell] = {
    "test macro-F1": with_interval(TEST_F1),
    "points": difference_cell("teacher"),
    "p": p_value_cell("teacher"),
    "points over source": difference_cell("source"),
    "p over source": p_value_cell("source"),
    "published": metric_cell(PUBLISHED_F1, "{:.3f}".format),
    "val macro-F1": with_interval(VAL_F1),
    "val points lost": with_interval(F1_DROP, 1, 100),
    "as teacher": metric_cell(AGREEMENT, "{:.1%}".format),
}
ANSWERED: dict[str, Cell] = {
    "behavioural tests": metric_with_interval(behaviour_key(ALL_FAMILIES), "{:.1%}".format),
    "their open half": metric_cell(behaviour_key(ALL_FAMILIES, BEHAVIOUR_OPEN), "{:.1%}".format),
    "confident errors": metric_cell(confident_errors_key(TEST), "{:.0f}".format),
    "in behavioural tests": metric_cell(confident_errors_key(BEHAVIOUR), "{:.0f}".format),
    "test agreement": metric_cell(TEST_AGREEMENT, "{:.1%}".format),
    "accuracy": metric_cell(f"{TEST}/accuracy", "{:.3f}".format),
}
CALIBRATED: dict[str, Cell] = {
    "ECE": metric_cell(ECE, "{:.3f}".format),
    "ECE scaled": metric_cell(ECE_SCALED, "{:.3f}".format),
    "temperature": metric_cell(TEMPERATURE, "{:.2f}".format),
    "extra macro-F1": with_interval(EXTRA_F1),
    "extra points": difference_cell("teacher", EXTRA),
    "extra p": p_value_cell("teacher", EXTRA),
}
SIZES: dict[str, Cell] = {
    "parameters": metric_cell(PARAMETERS, "{:,.0f}".format),
    "INT8 products": _products,
    "other precision": lambda own: own.precision,
    "built in min": metric_cell(BUILD_SECONDS, lambda seconds: f"{seconds / 60:.1f}"),
}
SPEED: dict[str, Cell] = {
    "p50 ms": with_interval(P50, 2),
    "p95": metric_cell(P95, "{:.2f}".format),
    "p99": metric_cell(P99, "{:.2f}".format),
    "speed-up": metric_with_interval(SPEEDUP, _times),
    "over source": metric_cell(SPEEDUP_VS_SOURCE, "{:.2f}x".format),
    "sentences/s": metric_cell(THROUGHPUT, "{:.0f}".format),
    "handed over": metric_cell(handed_over_key(TEST), "{:.1%}".format),
    "of extra": metric_cell(handed_over_key(EXTRA), "{:.1%}".format),
    "latency over published": metric_cell(LATENCY_VS_PUBLISHED, _times),
    "throughput over published": metric_cell(THROUGHPUT_VS_PUBLISHED, _times),
    "padded p50 ms": metric_cell(PADDED_P50, "{:.1f}".format),
    "padded /s": metric_cell(PADDED_THROUGHPUT, "{:.0f}".format),
    "peak MB": metric_cell(PEAK_MEMORY, "{:.0f}".format),
    "cold start ms": metric_cell(COLD_START, "{:.0f}".format),
    "over before": metric_cell(OVER_BEFORE, "{:.2f}x".format),
    "unreliable": lambda own: own.unreliable,
}


def benchmark_frame(benchmark: Benchmark) -> pd.DataFrame:
    """Return one row per variant with every metric and the ends of every interval."""
    rows = []
    for m in benchmark.measurements:
        identity: dict[str, Any] = {
            "study": benchmark.study,
            "synthetic": benchmark.synthetic,
            "random_weights": benchmark.random_weights,
            "variant": m.variant,
            "version": m.version,
            "runtime": m.runtime,
            "precision": m.precision,
            "unreliable": m.unreliable,
        }
        rows.append(identity | m.flat())
    return pd.DataFrame(rows).astype({"version": "Int64"})


def markdown(benchmark: Benchmark, roles: Mapping[str, str] | None = None) -> str:
    """Return the tables of a benchmark as Markdown, with machine, notes and, if given, roles.

    Quality; details of it; size; speed; throughput by batch size and by threads. Relative to the
    teacher are `points` of test macro-F1 (with their interval, and McNemar's `p`), `speed-up` of
    latency, round by round, and the share of its size. `over source` is beside what it was made
    from, for speed in the same runtime, `over published` that of the serving protocol over Hugging
    Face's teacher in PyTorch, padded; `published` is another study's test macro-F1. `over before`
    is the median of the same version over that in the benchmark before.
    """
    facts = benchmark.environment
    shown = ", ".join(f"{key} {facts[key]}" for key in ENVIRONMENT_SHOWN if key in facts)
    names = named_with_roles(roles or {})
    columns = result_tables(benchmark).values()
    tables = [markdown_table(benchmark.measurements, each, names) for each in columns]
    heading = f"Study `{benchmark.study}`. {' '.join(benchmark_notes(benchmark))}"
    pairs = "\n".join(str(pair) for pair in benchmark.pairs)
    limits = _champion_limits(benchmark, roles or {})
    return "\n\n".join(
        part for part in (heading, *tables, pairs, limits, drift_note(facts), shown) if part
    )


def benchmark_notes(benchmark: Benchmark) -> list[str]:
    """Return what has to be said with the figures of a benchmark: licences and warnings."""
    notes = [SYNTHETIC] if benchmark.synthetic else list(benchmark.notes)
    return [*notes, RANDOM_NOTE] if benchmark.random_weights else notes


def named_with_roles(roles: Mapping[str, str]) -> dict[str, str]:
    """Return how each variant that holds roles is shown; `roles` are variants by role."""
    held: dict[str, list[str]] = {}
    for role, variant in roles.items():
        held.setdefault(variant, []).append(role)
    return {variant: f"{variant} ({', '.join(own)})" for variant, own in held.items()}


def ladder_columns(benchmark: Benchmark) -> dict[str, Cell]:
    """Return the few columns by which people choose."""
    quality = {} if benchmark.random_weights else {
        "test macro-F1": with_interval(TEST_F1),
        "points to the teacher": difference_cell("teacher"),
    }  # fmt: skip
    return quality | {"one text, ms": with_interval(P50, 2)} | size_cells(benchmark)


def result_tables(benchmark: Benchmark) -> dict[str, dict[str, Cell]]:
    """Return the columns of each table of a benchmark, by its title."""
    rows = benchmark.measurements
    details = ANSWERED | class_columns(rows) | CALIBRATED | origin_columns(rows)
    scored = {} if benchmark.random_weights else {"Quality": QUALITY, "Quality in detail": details}
    return scored | {
        "Size": size_cells(benchmark) | SIZES,
        "Speed": SPEED,
        "Texts a second, by texts in a call and by threads": _by_load(benchmark),
    }


def reference_drift(facts: Mapping[str, str]) -> float | None:
    """Return the share by which the reference's latency grew during the benchmark.

    It is `None` where a benchmark did not time the reference at both ends, as early ones did not.
    """
    if not {REFERENCE_FIRST, REFERENCE_LAST} <= facts.keys():
        return None
    return float(facts[REFERENCE_LAST]) / float(facts[REFERENCE_FIRST]) - 1


def _champion_limits(benchmark: Benchmark, roles: Mapping[str, str]) -> str:
    """What the champion cannot do, by the behavioural tests."""
    champion = roles.get(CHAMPION)
    own = next((m for m in benchmark.measurements if m.variant == champion), None)
    described = describe_weaknesses(own.metrics) if own else ""
    return f"Limits of {champion}, the champion: {described}." if described else ""


def drift_note(facts: Mapping[str, str]) -> str:
    """Return the warning that milliseconds do not compare, if the reference moved by too much."""
    drift = reference_drift(facts)
    if drift is None or abs(drift) <= TOLERATED_SHARE:
        return ""
    return f"The reference moved by {drift:+.0%} meanwhile: compare ratios, not milliseconds."


def benchmark_files(benchmark: Benchmark, roles: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the text of each file of a benchmark's tables, by file name."""
    return {
        "benchmark_results.csv": benchmark_frame(benchmark).to_csv(index=False),
        "benchmark_results.md": markdown(benchmark, roles) + "\n",
        **behaviour_files(benchmark.behaviour),
    }


def size_cells(benchmark: Benchmark) -> dict[str, Cell]:
    """Return a cell of the size on disk, in MB and as a share of the teacher's."""
    teacher = next(m for m in benchmark.measurements if m.variant == TEACHER).size_mb
    return {"MB": metric_cell(SIZE, lambda own: f"{own:.1f} ({own / teacher:.0%})")}


def _by_load(benchmark: Benchmark) -> dict[str, Cell]:
    sizes = measured_loads(benchmark.measurements, batch_throughput_key)
    batches = {f"{n} a call": _rate(batch_throughput_key(n)) for n in sizes}
    batches |= {
        f"{n} a call, over published": metric_cell(batch_vs_published_key(n), _times) for n in sizes
    }
    threads = {
        f"{n} threads": _rate(thread_throughput_key(n))
        for n in measured_loads(benchmark.measurements, thread_throughput_key)
    }
    return batches | threads


def _rate(key: str) -> Cell:
    return metric_cell(key, "{:.0f}/s".format)

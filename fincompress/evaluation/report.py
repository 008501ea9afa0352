"""A benchmark becomes tables: CSV for programs, Markdown for people."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from fincompress.evaluation.measurement import (
    AGREEMENT,
    COLD_START,
    ECE,
    ECE_SCALED,
    EXTRA,
    EXTRA_F1,
    EXTRA_FILE,
    F1_DROP,
    INT8_PRODUCTS,
    LATENCY_VS_PUBLISHED,
    MOVED,
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
    VAL_F1,
    Benchmark,
    Measurement,
    at_batch,
    at_threads,
    of_source,
    over,
    points,
)
from fincompress.promotion import TEACHER

SYNTHETIC = "Synthetic corpus: these scores say nothing of real financial text."
RANDOM = "Random weights: speed and size alone, there is no accuracy to report."
ENVIRONMENT_SHOWN = (
    "cpu", "instruction_sets", "cores", "threads", "load_average", "torch", "onnxruntime",
    "openvino", "commit", EXTRA_FILE, REFERENCE_FIRST, REFERENCE_LAST, REFERENCE_BEFORE,
)  # fmt: skip

Cell = Callable[[Measurement, Measurement], str]  # of one, beside the teacher


def _cell(key: str, write: Callable[[float], str]) -> Cell:
    """A metric as `write` puts it; empty if there is none."""
    return lambda own, _: write(own.metrics[key]) if key in own.metrics else ""


def _with_interval(key: str, digits: int, scale: float = 1.0) -> Cell:
    def cell(own: Measurement, _: Measurement) -> str:
        if key not in own.metrics:
            return ""
        ends = [f"{scale * end:.{digits}f}" for end in own.intervals.get(key, ())]
        return f"{scale * own.metrics[key]:.{digits}f}" + (f" [{', '.join(ends)}]" if ends else "")

    return cell


def _to_teacher(key: str, write: Callable[[float, float], str]) -> Cell:
    """A metric and what it is to the teacher's; empty if there is none."""

    def cell(own: Measurement, teacher: Measurement) -> str:
        return write(own.metrics[key], teacher.metrics[key]) if key in own.metrics else ""

    return cell


def _points(other: str, part: str = TEST) -> Cell:
    """The difference of macro-F1 to another's, in points."""
    key, _ = over(other, part)

    def cell(own: Measurement, teacher: Measurement) -> str:
        if key not in own.metrics or own is teacher:
            return ""
        return points(own.metrics[key], own.intervals[key])

    return cell


def _chance(other: str, part: str = TEST) -> Cell:
    """McNemar's p of being as good as another."""
    _, key = over(other, part)

    def cell(own: Measurement, teacher: Measurement) -> str:
        return "" if key not in own.metrics or own is teacher else f"{own.metrics[key]:.2g}"

    return cell


def _products(own: Measurement, _: Measurement) -> str:
    found = own.metrics
    return f"{found[INT8_PRODUCTS]:.0f} of {found[PRODUCTS]:.0f}" if PRODUCTS in found else ""


def _times(value: float) -> str:
    return f"{value:.1f}x" if value < 100 else f"{value:.0f}x"


def _over_before(own: Measurement) -> str:
    if OVER_BEFORE not in own.metrics:
        return ""
    ratio = own.metrics[OVER_BEFORE]
    return f"{ratio:.2f}x" + (", unreliable" if abs(ratio - 1) > MOVED else "")


QUALITY: dict[str, Cell] = {
    "test macro-F1": _with_interval(TEST_F1, 3),
    "points": _points("teacher"),
    "p": _chance("teacher"),
    "points over source": _points("source"),
    "p over source": _chance("source"),
    "published": _cell(PUBLISHED_F1, lambda own: f"{own:.3f}"),
    "val macro-F1": _with_interval(VAL_F1, 3),
    "val points lost": _with_interval(F1_DROP, 1, 100),
    "as teacher": _cell(AGREEMENT, lambda own: f"{own:.1%}"),
}
DETAILS: dict[str, Cell] = {
    "test agreement": _cell(TEST_AGREEMENT, lambda own: f"{own:.1%}"),
    "accuracy": _cell(f"{TEST}/accuracy", lambda own: f"{own:.3f}"),
    "negative": _with_interval(f"{TEST}/f1_negative", 3),
    "neutral": _with_interval(f"{TEST}/f1_neutral", 3),
    "positive": _with_interval(f"{TEST}/f1_positive", 3),
    "ECE": _cell(ECE, lambda own: f"{own:.3f}"),
    "ECE scaled": _cell(ECE_SCALED, lambda own: f"{own:.3f}"),
    "temperature": _cell(TEMPERATURE, lambda own: f"{own:.2f}"),
    "extra macro-F1": _with_interval(EXTRA_F1, 3),
    "extra points": _points("teacher", EXTRA),
    "extra p": _chance("teacher", EXTRA),
}
SIZES: dict[str, Cell] = {
    "MB": _to_teacher(SIZE, lambda own, teacher: f"{own:.1f} ({own / teacher:.0%})"),
    "parameters": _cell(PARAMETERS, lambda own: f"{own:,.0f}"),
    "INT8 products": _products,
    "other precision": lambda own, _: own.precision,
}
SPEED: dict[str, Cell] = {
    "p50 ms": _with_interval(P50, 2),
    "p95": _cell(P95, lambda own: f"{own:.2f}"),
    "p99": _cell(P99, lambda own: f"{own:.2f}"),
    "speed-up": _cell(SPEEDUP, _times),
    "over source": _cell(SPEEDUP_VS_SOURCE, lambda own: f"{own:.2f}x"),
    "sentences/s": _cell(THROUGHPUT, lambda own: f"{own:.0f}"),
    "latency over published": _cell(LATENCY_VS_PUBLISHED, _times),
    "throughput over published": _cell(THROUGHPUT_VS_PUBLISHED, _times),
    "padded p50 ms": _cell(PADDED_P50, lambda own: f"{own:.1f}"),
    "padded /s": _cell(PADDED_THROUGHPUT, lambda own: f"{own:.0f}"),
    "peak MB": _cell(PEAK_MEMORY, lambda own: f"{own:.0f}"),
    "cold start ms": _cell(COLD_START, lambda own: f"{own:.0f}"),
    "over before": lambda own, _: _over_before(own),
    "unreliable": lambda own, _: own.unreliable,
}


def frame(benchmark: Benchmark) -> pd.DataFrame:
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
    """Return the tables a reader wants, with machine, notes and, if given, the roles.

    Quality; details of it; size; speed; throughput by batch size and by threads. Relative to the
    teacher are `points` of test macro-F1 (with their interval, and McNemar's `p`), `speed-up` of
    median latency and the share of its size. `over source` is beside what it was made from, for
    speed in the same runtime, `over published` that of the serving protocol over Hugging
    Face's teacher in PyTorch, padded; `published` is another study's test macro-F1. `over before`
    is the median of the same version over that in the benchmark before.
    """
    facts = benchmark.environment
    shown = ", ".join(f"{key} {facts[key]}" for key in ENVIRONMENT_SHOWN if key in facts)
    notes = [SYNTHETIC] if benchmark.synthetic else list(benchmark.notes)
    notes += [RANDOM] if benchmark.random_weights else []
    held: dict[str, list[str]] = {}
    for role, variant in (roles or {}).items():
        held.setdefault(variant, []).append(role)
    scored = () if benchmark.random_weights else (QUALITY, DETAILS | _by_source(benchmark))
    columns = (*scored, SIZES, SPEED, _by_load(benchmark))
    tables = [_table(benchmark, each, held) for each in columns]
    heading = f"Study `{benchmark.study}`. {' '.join(notes)}"
    pairs = "\n".join(str(pair) for pair in benchmark.pairs)
    return "\n\n".join(part for part in (heading, *tables, pairs, shown) if part)


def tables_of(benchmark: Benchmark, roles: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the files that a benchmark's tables are kept in, each with its text."""
    return {
        "benchmark_results.csv": frame(benchmark).to_csv(index=False),
        "benchmark_results.md": markdown(benchmark, roles) + "\n",
    }


def loads(benchmark: Benchmark, at: Callable[[int], str]) -> list[int]:
    """The batch sizes, or numbers of threads, at which throughput was measured."""
    pattern = at(0).split("0")
    keys = [key for m in benchmark.measurements for key in m.metrics]
    inside = {key.removeprefix(pattern[0]).removesuffix(pattern[1]) for key in keys}
    return sorted(int(text) for text in inside if text.isdecimal())


def _by_load(benchmark: Benchmark) -> dict[str, Cell]:
    batches = {f"{n} a call": _rate(at_batch(n)) for n in loads(benchmark, at_batch)}
    threads = {f"{n} threads": _rate(at_threads(n)) for n in loads(benchmark, at_threads)}
    return batches | threads


def _by_source(benchmark: Benchmark) -> dict[str, Cell]:
    """Test macro-F1 of the sentences from each source."""
    start = of_source("")
    keys = {key for m in benchmark.measurements for key in m.metrics if key.startswith(start)}
    return {key.removeprefix(start): _with_interval(key, 3) for key in sorted(keys)}


def _rate(key: str) -> Cell:
    return _cell(key, lambda own: f"{own:.0f}/s")


def _table(
    benchmark: Benchmark, columns: Mapping[str, Cell], held: Mapping[str, Sequence[str]]
) -> str:
    teacher = next(m for m in benchmark.measurements if m.variant == TEACHER)
    rows = [{name: cell(m, teacher) for name, cell in columns.items()}
            for m in benchmark.measurements]  # fmt: skip
    used = [name for name in columns if any(row[name] for row in rows)]
    if not used:
        return ""  # measured before there was any of it
    lines = ["| " + " | ".join(["variant", *used]) + " |", "|---" * (1 + len(used)) + "|"]
    for m, row in zip(benchmark.measurements, rows, strict=True):
        roles = held.get(m.variant, ())
        name = f"{m.variant} ({', '.join(roles)})" if roles else m.variant
        lines.append("| " + " | ".join([name, *(row[column] for column in used)]) + " |")
    return "\n".join(lines)

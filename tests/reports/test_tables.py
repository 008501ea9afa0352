"""The tables a reader sees: every cell from the measurements, and relative to the teacher."""

from dataclasses import replace

import pytest

from fincompress.evaluation.results import Benchmark, Measurement
from fincompress.reports.tables import benchmark_frame, markdown

F1, P50, DROP = "test/macro_f1", "bench/latency_p50_ms", "val/f1_drop"
SPEEDUP = "bench/speedup_vs_teacher"
NOISY = "its speed-up is known to within 12% only"


def measured(variant: str, f1: float, p50: float, **more: float) -> Measurement:
    metrics = {
        F1: f1,
        "test/f1_vs_teacher": f1 - 0.88,
        "test/mcnemar_vs_teacher": 0.25,
        "test/ece": 0.05,
        "val/macro_f1": f1,
        DROP: 0.88 - f1,
        "val/agreement": 0.95,
        P50: p50,
        "bench/latency_p95_ms": 2 * p50,
        "bench/latency_p99_ms": 3 * p50,
        SPEEDUP: 10 / p50,
        "bench/throughput_per_s": 1000 / p50,
        "bench/throughput_batch_8_per_s": 900 / p50,
        "bench/throughput_threads_2_per_s": 1100 / p50,
        "bench/peak_memory_mb": 123.4,
        "bench/cold_start_ms": 56.7,
    } | {f"{'padded' if 'padded' in k else 'bench'}/{k.removeprefix('padded_')}": v
         for k, v in more.items()}  # fmt: skip
    intervals = {key: (metrics[key] - 0.1, metrics[key] + 0.1) for key in (SPEEDUP,)}
    intervals |= {key: (metrics[key] - 0.02, metrics[key] + 0.02)
                 for key in (F1, "val/macro_f1", DROP, P50, "test/f1_vs_teacher")}  # fmt: skip
    return Measurement(variant=variant, version=1, runtime="r", metrics=metrics,
                       intervals=intervals)  # fmt: skip


@pytest.fixture
def benchmark() -> Benchmark:
    teacher = measured(
        "teacher", 0.88, 10, size_mb=80, parameters=2e7, int8_products=0, products=26,
        latency_vs_published=2, throughput_vs_published=3, padded_latency_p50_ms=30,
        padded_throughput_per_s=40,
    )  # fmt: skip
    small = measured(
        "small", 0.87, 4, size_mb=20, parameters=19e6, int8_products=18, products=18,
        latency_vs_published=50, throughput_vs_published=150.4, speedup_vs_source=2.5,
        padded_latency_p50_ms=5, padded_throughput_per_s=240,
    )  # fmt: skip
    small = replace(small, unreliable=NOISY, precision="bf16")
    return Benchmark(
        study="tiny", synthetic=True, notes=("a licence",),
        measurements=(teacher, small, measured("tfidf_floor", 0.79, 1)),
        environment={"cpu": "a CPU", "threads": "2", "load_average": "0.1"},
    )  # fmt: skip


def tables(text: str) -> list[dict[str, dict[str, str]]]:
    """Each table as variant -> column -> cell."""
    found = []
    for block in text.split("\n\n"):
        lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines()]
        if len(lines) > 2 and lines[0][0] == "variant":
            names, _, *rows = lines
            found.append({row[0]: dict(zip(names, row, strict=True)) for row in rows})
    return found


def test_quality_and_size_stand_beside_the_teacher(benchmark: Benchmark) -> None:
    roles = {"champion": "small", "fastest": "small"}
    quality, details, sizes, _, _ = tables(markdown(benchmark, roles))
    name = "small (champion, fastest)"
    assert quality[name] == {
        "variant": name, "test macro-F1": "0.870 [0.850, 0.890]", "points": "-1.0 [-3.0, +1.0]",
        "p": "0.25", "val macro-F1": "0.870 [0.850, 0.890]", "val points lost": "1.0 [-1.0, 3.0]",
        "as teacher": "95.0%",
    }  # fmt: skip
    assert quality["teacher"]["points"] == "", "nothing to compare with"
    assert details[name] == {"variant": name, "ECE": "0.050"}
    assert sizes[name] == {
        "variant": name, "MB": "20.0 (25%)", "parameters": "19,000,000",
        "INT8 products": "18 of 18", "other precision": "bf16",
    }  # fmt: skip
    assert sizes["tfidf_floor"]["MB"] == "", "it has no file"


def test_speed_in_both_protocols_and_over_the_published_recipe(benchmark: Benchmark) -> None:
    *_, speed, _ = tables(markdown(benchmark))
    assert speed["small"] == {
        "variant": "small", "p50 ms": "4.00 [3.98, 4.02]", "p95": "8.00", "p99": "12.00",
        "speed-up": "2.5x [2.4x, 2.6x]", "over source": "2.50x", "sentences/s": "250",
        "latency over published": "50.0x", "throughput over published": "150x",
        "padded p50 ms": "5.0", "padded /s": "240", "peak MB": "123", "cold start ms": "57",
        "unreliable": NOISY,
    }  # fmt: skip
    assert speed["teacher"]["unreliable"] == "" and speed["tfidf_floor"]["padded /s"] == ""


def test_throughput_by_batch_and_threads(benchmark: Benchmark) -> None:
    *_, load = tables(markdown(benchmark))
    assert load["small"] == {"variant": "small", "8 a call": "225/s", "2 threads": "275/s"}


def test_random_weights_have_no_accuracy_and_the_report_says_so(benchmark: Benchmark) -> None:
    bare = tuple(
        replace(m, metrics={k: v for k, v in m.metrics.items() if "/f1" not in k and k != F1
                            and "val/" not in k and "test/" not in k})
        for m in benchmark.measurements
    )  # fmt: skip
    text = markdown(replace(benchmark, random_weights=True, measurements=bare))
    assert "Random weights: speed and size alone, there is no accuracy to report." in text
    sizes, _, _ = tables(text)
    assert list(sizes["small"])[:2] == ["variant", "MB"]


def test_machine_and_corpus_stand_beside_the_figures(benchmark: Benchmark) -> None:
    text = markdown(benchmark)
    assert "Synthetic corpus: these scores say nothing of real financial text." in text
    assert text.endswith("cpu a CPU, threads 2, load_average 0.1")


def test_a_median_stands_beside_that_of_the_benchmark_before(benchmark: Benchmark) -> None:
    teacher, small, floor = benchmark.measurements
    small = replace(small, metrics=small.metrics | {"bench/latency_over_before": 0.88})
    text = markdown(replace(benchmark, measurements=(teacher, small, floor)))
    assert tables(text)[3]["small"]["over before"] == "0.88x"


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ("10.9", ""),
        ("11.2", "The reference moved by +12% meanwhile: compare ratios, not milliseconds.\n\n"),
        ("6.0", "The reference moved by -40% meanwhile: compare ratios, not milliseconds.\n\n"),
    ],
)
def test_a_machine_whose_speed_moved_is_a_note_beside_the_milliseconds(
    benchmark: Benchmark, last: str, said: str
) -> None:
    drift = {"reference_first_ms": "10.0", "reference_last_ms": last}
    text = markdown(replace(benchmark, environment=benchmark.environment | drift))
    assert text.endswith(f"|\n\n{said}cpu a CPU, threads 2, load_average 0.1, "
                         f"reference_first_ms 10.0, reference_last_ms {last}")  # fmt: skip


def test_measurements_from_before_there_were_intervals_are_shown_without(
    benchmark: Benchmark,
) -> None:
    bare = tuple(
        replace(m, intervals={}, metrics={k: v for k, v in m.metrics.items() if "_vs_t" not in k})
        for m in benchmark.measurements
    )
    quality, _, _, speed, _ = tables(markdown(replace(benchmark, measurements=bare)))
    assert quality["small"]["test macro-F1"] == "0.870" and speed["small"]["p50 ms"] == "4.00"


def test_the_frame_has_every_metric_and_both_ends_of_the_intervals(benchmark: Benchmark) -> None:
    table = benchmark_frame(benchmark).set_index("variant")
    assert table.loc["small", "bench/speedup_vs_teacher"] == 2.5
    assert table.loc["small", "test/macro_f1_low"] == pytest.approx(0.85)
    assert table.loc["small", "unreliable"] == NOISY
    assert table["synthetic"].all()

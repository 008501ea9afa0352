"""The table a reader sees: every cell from the measurements, and relative to the teacher."""

import pytest

from fincompress.evaluation.measurement import Benchmark, Measurement, with_speedups
from fincompress.evaluation.report import frame, markdown


def measured(variant: str, f1: float, p50: float, **more: float) -> Measurement:
    metrics = {
        "test/macro_f1": f1,
        "val/macro_f1": f1,
        "bench/latency_p50_ms": p50,
        "bench/latency_p95_ms": 2 * p50,
        "bench/throughput_per_s": 1000 / p50,
    }
    more = {f"bench/{name}": value for name, value in more.items()}
    intervals = {f"{part}/macro_f1": (f1 - 0.02, f1 + 0.02) for part in ("val", "test")}
    return Measurement(
        variant=variant, version=1, runtime="r", metrics=metrics | more, intervals=intervals
    )


@pytest.fixture
def benchmark() -> Benchmark:
    measurements = with_speedups(
        [
            measured("teacher", 0.88, 10, size_mb=80, parameters=2e7, int8_products=0, products=26),
            measured("small", 0.87, 4, size_mb=20, parameters=19e6, int8_products=18, products=18),
            measured("tfidf_floor", 0.79, 1),
        ],
        "teacher",
        {"small": "teacher"},
    )
    return Benchmark(
        study="tiny", synthetic=True, notes=("a licence",), measurements=measurements,
        environment={"cpu": "a CPU", "threads": "2", "load_average": "0.1"},
    )  # fmt: skip


def test_a_row_has_the_figures_and_their_relation_to_the_teacher(benchmark: Benchmark) -> None:
    rows = markdown(benchmark, {"champion": "small"}).splitlines()
    assert rows[4] == (
        "| teacher | 0.880 [0.860, 0.900] | +0.0 | 0.880 [0.860, 0.900] | 10.00 (1.0x) | 20.00 |  "
        "| 100 (1.0x) | 80.0 (100%) | 20,000,000 | 0 of 26 |"
    )
    assert rows[5] == (
        "| small (champion) | 0.870 [0.850, 0.890] | -1.0 | 0.870 [0.850, 0.890] | 4.00 (2.5x) "
        "| 8.00 | 2.50x | 250 (2.5x) | 20.0 (25%) | 19,000,000 | 18 of 18 |"
    )
    assert rows[6].endswith("| 1.00 (10.0x) | 2.00 |  | 1000 (10.0x) |  |  |  |"), "no file"
    assert {row.count("|") for row in rows[2:7]} == {12}


def test_machine_and_corpus_stand_beside_the_figures(benchmark: Benchmark) -> None:
    text = markdown(benchmark)
    assert "Synthetic corpus: these scores say nothing of real financial text." in text
    assert text.endswith("cpu a CPU, threads 2")


def test_the_frame_has_every_metric_and_both_ends_of_the_intervals(benchmark: Benchmark) -> None:
    table = frame(benchmark).set_index("variant")
    assert table.loc["small", "bench/speedup_vs_teacher"] == 2.5
    assert table.loc["small", "test/macro_f1_low"] == pytest.approx(0.85)
    assert table["synthetic"].all()

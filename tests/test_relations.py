"""What a measurement is beside others: to the teacher, its source and the published recipe."""

import pytest

from fincompress.evaluation.benchmark import Result
from fincompress.evaluation.measurement import (
    LATENCY_VS_PUBLISHED,
    OVER_BEFORE,
    P50,
    SPEEDUP,
    SPEEDUP_VS_SOURCE,
    THROUGHPUT,
    THROUGHPUT_VS_PUBLISHED,
    Measurement,
    Samples,
)
from fincompress.evaluation.relations import related
from tests.conftest import refusal

SAMPLES = Samples(latency_ms=(), throughput_per_s=(), padded_latency_ms=())


def result(name: str, p50: float, per_s: float) -> Result:
    metrics = {P50: p50, THROUGHPUT: per_s}
    measured = Measurement(variant=name, version=1, runtime="r", metrics=metrics, intervals={})
    return Result(measured, SAMPLES, {})


def test_each_is_set_beside_teacher_source_and_the_published_recipe() -> None:
    found = related(
        [
            result("teacher", 10, 100),
            result("student", 2, 700),
            result("student@fp32", 3, 300),
            result("published", 20, 10),
        ],
        teacher="teacher", published="published", sources={"student": "student@fp32"},
        before=[result("student", 1.6, 1).measurement],
    )  # fmt: skip
    assert [m.metrics.get(OVER_BEFORE) for m in found] == [None, 1.25, None, None]
    teacher, student, _, published = (m.metrics for m in found)
    assert [m.metrics[SPEEDUP] for m in found] == pytest.approx([1, 5, 10 / 3, 0.5])
    assert student[SPEEDUP_VS_SOURCE] == 1.5 and SPEEDUP_VS_SOURCE not in teacher
    assert (student[LATENCY_VS_PUBLISHED], student[THROUGHPUT_VS_PUBLISHED]) == (10, 70)
    assert (published[LATENCY_VS_PUBLISHED], published[THROUGHPUT_VS_PUBLISHED]) == (1, 1)


def test_a_benchmark_without_a_teacher_is_refused() -> None:
    message = refusal(
        lambda: related([result("a", 1, 1)], teacher="teacher", published="p", sources={})
    )
    assert message == "benchmark: a study needs the variant 'teacher' to compare with"

"""What a measurement is beside others: to the teacher, its source and the published recipe."""

from collections.abc import Sequence

import numpy as np
import pytest

from fincompress.evaluation.benchmark import Result
from fincompress.evaluation.measurement import (
    AGREEMENT,
    F1_DROP,
    LATENCY_VS_PUBLISHED,
    OVER_BEFORE,
    P50,
    SPEEDUP,
    SPEEDUP_VS_SOURCE,
    THROUGHPUT,
    THROUGHPUT_VS_PUBLISHED,
    VAL_F1,
    Measurement,
    Samples,
)
from fincompress.evaluation.relations import related
from tests.conftest import refusal

LABELS = [0, 1, 2, 0]
SAMPLES = Samples(latency_ms=(), throughput_per_s=(), padded_latency_ms=())


def result(name: str, p50: float, per_s: float, answers: Sequence[int] = ()) -> Result:
    metrics = {P50: p50, THROUGHPUT: per_s}
    if answers:
        metrics[VAL_F1] = float(np.mean(np.array(answers) == LABELS))
    measured = Measurement(variant=name, version=1, runtime="r", metrics=metrics, intervals={})
    return Result(measured, SAMPLES, {"val": np.array(answers)} if answers else {})


def test_each_is_set_beside_teacher_source_and_the_published_recipe() -> None:
    found = related(
        [
            result("teacher", 10, 100, [0, 1, 2, 0]),
            result("student", 2, 700, [0, 1, 2, 1]),
            result("student@fp32", 3, 300, [0, 1, 2, 1]),
            result("published", 20, 10),
        ],
        LABELS, teacher="teacher", published="published", sources={"student": "student@fp32"},
        before=[result("student", 1.6, 1).measurement],
    )  # fmt: skip
    assert [m.metrics.get(OVER_BEFORE) for m in found] == [None, 1.25, None, None]
    teacher, student, _, published = (m.metrics for m in found)
    assert [m.metrics[SPEEDUP] for m in found] == pytest.approx([1, 5, 10 / 3, 0.5])
    assert student[SPEEDUP_VS_SOURCE] == 1.5 and SPEEDUP_VS_SOURCE not in teacher
    assert (student[LATENCY_VS_PUBLISHED], student[THROUGHPUT_VS_PUBLISHED]) == (10, 70)
    assert (published[LATENCY_VS_PUBLISHED], published[THROUGHPUT_VS_PUBLISHED]) == (1, 1)
    assert (teacher[F1_DROP], teacher[AGREEMENT]) == (0, 1)
    assert (student[F1_DROP], student[AGREEMENT]) == (0.25, 0.75)
    assert found[0].intervals[F1_DROP] == (0, 0)
    low, high = found[1].intervals[F1_DROP]
    assert low <= 0.25 <= high and low >= 0
    assert F1_DROP not in published, "it was not scored"


def test_a_benchmark_without_a_teacher_is_refused() -> None:
    message = refusal(
        lambda: related([result("a", 1, 1)], LABELS, teacher="teacher", published="p", sources={})
    )
    assert message == "benchmark: a study needs the variant 'teacher' to compare with"

"""What a measurement is beside others: to the teacher, its source and the published recipe."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from fincompress.evaluation.results import (
    LATENCY_VS_PUBLISHED,
    OVER_BEFORE,
    P50,
    SPEEDUP,
    SPEEDUP_VS_SOURCE,
    THROUGHPUT,
    THROUGHPUT_VS_PUBLISHED,
    Measurement,
    Samples,
    batch_throughput_key,
    batch_vs_published_key,
)
from fincompress.evaluation.speedups import add_speedups
from tests.support.projects import refusal

SAMPLES = Samples(latency_ms=(), round_calls=1, throughput_per_s=(), padded_latency_ms=())
STEADY = (1.0,) * 20


def result(
    name: str, p50: float, per_s: float, speeds: Sequence[float] = STEADY, rounds: int = 20
) -> Measurement:
    """Of a machine whose rounds take `speeds` times as long."""
    metrics = {P50: p50, THROUGHPUT: per_s}
    return Measurement(
        variant=name, version=1, runtime="r", metrics=metrics, intervals={},
        round_medians_ms=tuple(p50 * speed for speed in speeds[:rounds]),
    )  # fmt: skip


def beside_teacher(*results: Measurement) -> list[Measurement]:
    return list(add_speedups(results, teacher="teacher", published="", sources={}))


def test_large_calls_are_set_beside_the_best_rate_of_the_published_recipe() -> None:
    one, many, most = (batch_throughput_key(size) for size in (1, 32, 1000))

    def with_rates(measured: Measurement, rates: dict[str, float]) -> Measurement:
        return replace(measured, metrics=measured.metrics | rates)

    teacher, fast, recipe = add_speedups(
        [
            with_rates(result("teacher", 10, 100), {one: 90.0, many: 100.0}),
            with_rates(result("fast", 1, 4000), {one: 900.0, many: 4000.0, most: 8000.0}),
            with_rates(result("recipe", 100, 8), {one: 10.0, many: 8.0}),
        ],
        teacher="teacher", published="recipe", sources={},
    )  # fmt: skip
    sizes = (1, 32, 1000)
    assert [fast.metrics[batch_vs_published_key(size)] for size in sizes] == [90, 500, 800]
    assert batch_vs_published_key(1000) not in teacher.metrics
    assert [recipe.metrics[batch_vs_published_key(size)] for size in sizes[:2]] == [1, 1]


def test_each_is_set_beside_teacher_source_and_the_published_recipe() -> None:
    found = add_speedups(
        [
            result("teacher", 10, 100),
            result("student", 2, 700),
            result("student@fp32", 3, 300),
            result("published", 20, 10),
        ],
        teacher="teacher", published="published", sources={"student": "student@fp32"},
        before=[result("student", 1.6, 1)],
    )  # fmt: skip
    assert [m.metrics.get(OVER_BEFORE) for m in found] == [None, 1.25, None, None]
    teacher, student, _, published = (m.metrics for m in found)
    assert [m.metrics[SPEEDUP] for m in found] == pytest.approx([1, 5, 10 / 3, 0.5])
    assert student[SPEEDUP_VS_SOURCE] == 1.5
    assert found[1].intervals[SPEEDUP_VS_SOURCE] == (1.5, 1.5)
    assert found[1].intervals[LATENCY_VS_PUBLISHED] == (10, 10)
    assert SPEEDUP_VS_SOURCE not in teacher
    assert (student[LATENCY_VS_PUBLISHED], student[THROUGHPUT_VS_PUBLISHED]) == (10, 70)
    assert (published[LATENCY_VS_PUBLISHED], published[THROUGHPUT_VS_PUBLISHED]) == (1, 1)


def test_a_machine_that_slows_down_for_all_moves_no_ratio() -> None:
    slower = tuple(np.linspace(1.0, 1.4, 20))
    _, student = beside_teacher(result("teacher", 10, 1, slower), result("student", 2, 1, slower))
    assert student.metrics[SPEEDUP] == pytest.approx(5)
    assert student.intervals[SPEEDUP] == pytest.approx((5, 5))
    assert student.unreliable == ""


def test_a_speed_up_that_is_not_known_well_is_unreliable() -> None:
    jumps = tuple(np.random.default_rng(0).uniform(1, 3, 20))  # of one of them, by round
    teacher, student = beside_teacher(result("teacher", 10, 1), result("student", 5, 1, jumps))
    low, high = student.intervals[SPEEDUP]
    uncertain = (high - low) / 2 / student.metrics[SPEEDUP]
    assert uncertain > 0.1 and low < 1 < high
    said = f"its speed-up is known only to within {uncertain:.0%}, and its interval contains 1"
    assert student.unreliable == said
    assert teacher.unreliable == ""


@pytest.mark.parametrize("ms", [0.5, 100])
def test_what_is_faster_or_slower_beyond_doubt_is_known_well_enough(ms: float) -> None:
    jumps = tuple(np.random.default_rng(0).uniform(1, 3, 20))
    _, student = beside_teacher(result("teacher", 10, 1), result("student", ms, 1, jumps))
    low, high = student.intervals[SPEEDUP]
    assert (high - low) / 2 / student.metrics[SPEEDUP] > 0.1
    assert low > 1 or high < 1
    assert student.unreliable == ""


def test_too_few_rounds_to_tell_an_interval_from_are_unreliable() -> None:
    found = beside_teacher(*(result(name, 10, 1, rounds=19) for name in ("teacher", "student")))
    assert [m.unreliable for m in found] == ["19 rounds are fewer than 20"] * 2


def test_what_has_failed_is_set_beside_nothing() -> None:
    _, student = add_speedups(
        [result("teacher", 10, 1), result("student", 2, 1)],
        teacher="teacher", published="published", sources={"student": "student@fp32"},
    )  # fmt: skip
    assert SPEEDUP in student.metrics
    assert not {SPEEDUP_VS_SOURCE, LATENCY_VS_PUBLISHED, THROUGHPUT_VS_PUBLISHED} & set(
        student.metrics
    )


def test_a_benchmark_without_a_teacher_is_refused() -> None:
    message = refusal(
        lambda: add_speedups([result("a", 1, 1)], teacher="teacher", published="p", sources={})
    )
    assert message == "benchmark: a study needs the variant 'teacher' to compare with"

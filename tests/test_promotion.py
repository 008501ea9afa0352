"""Who gets which role: each rule of the decision as a row."""

import pytest

from fincompress.evaluation.measurement import Measurement
from fincompress.promotion import ROLES, Gate, decide
from fincompress.spec import UserError


def measured(variant: str, f1: float, p50: float, size: float) -> Measurement:
    metrics = {"val/macro_f1": f1, "bench/latency_p50_ms": p50, "bench/size_mb": size}
    return Measurement(
        variant=variant, version=1, runtime="torch_eager", metrics=metrics, intervals={}
    )


TEACHER = measured("teacher", 0.900, 10.0, 90.0)
GOOD = measured("good", 0.895, 5.0, 70.0)
BETTER = measured("better", 0.910, 6.0, 75.0)
QUICK = measured("quick", 0.850, 1.0, 20.0)
EDGE = measured("edge", 0.890, 2.0, 80.0)

TABLE = [
    ("the teacher alone is champion", [TEACHER], ["teacher", None, *["teacher"] * 3]),
    ("the fastest within the gate wins", [TEACHER, BETTER, GOOD],
     ["good", "better", "good", "good", "better"]),
    ("outside the gate one can only be fastest and smallest", [TEACHER, QUICK],
     ["teacher", None, "quick", "quick", "teacher"]),
    ("a drop of exactly the limit passes", [TEACHER, EDGE],
     ["edge", "teacher", "edge", "edge", "teacher"]),
    ("a tie goes to the first", [TEACHER, GOOD, measured("twin", 0.895, 5.0, 70.0)],
     ["good", "twin", "good", "good", "teacher"]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "given", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_roles(rule: str, given: list[Measurement], expected: list[str | None]) -> None:
    decision = decide(given, Gate(max_f1_drop=0.01))
    assert [decision.roles.get(role) for role in ROLES] == expected


def test_every_check_carries_its_margin() -> None:
    decision = decide([TEACHER, QUICK], Gate(max_f1_drop=0.02))
    assert [(c.variant, c.passed) for c in decision.checks] == [("teacher", True), ("quick", False)]
    assert decision.checks[1].margin == pytest.approx(0.850 - 0.880)
    assert "fails  validation macro-F1: quick 0.8500, at least 0.8800, margin -0.0300" in (
        decision.explain()
    )


def test_without_a_teacher_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(UserError, match="the teacher must be among the measured"):
        decide([GOOD], Gate())

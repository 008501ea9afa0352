"""Which trial is the best: one objective, two, or one under a constraint."""

from typing import Any

import pytest

from fincompress.tuning.objective import F1, LATENCY, Goal, Outcome, best, front


def outcome(trial: int, f1: float | None, latency_ms: float | None = None, **rest: Any) -> Outcome:
    facts: dict[str, Any] = {
        "place": trial, "state": "complete", "values": {}, "feasible": True, "seconds": 1.0,
        "run_id": "", "error": "",
    }  # fmt: skip
    return Outcome(trial=trial, f1=f1, latency_ms=latency_ms, **facts | rest)


OBJECTIVES = [
    (Goal(), [F1]),
    (Goal(latency=True), [F1, LATENCY]),
    (Goal(latency=True, max_latency_ms=3.0), [F1]),
    (Goal(latency=True, max_f1_drop=0.01), [LATENCY]),
]


@pytest.mark.parametrize(("goal", "names"), OBJECTIVES)
def test_a_constraint_leaves_one_objective(goal: Goal, names: list[str]) -> None:
    assert list(goal.objectives) == names
    assert goal.values(0.9, 2.5) == [{F1: 0.9, LATENCY: 2.5}[name] for name in names]
    assert goal.measures_latency == (goal != Goal())


def test_a_constraint_is_missed_by_its_excess() -> None:
    assert Goal().excess(0.9, None, 0.95) == {}
    assert Goal(max_latency_ms=3.0).excess(0.9, 4.0, 0.95) == {"max_latency_ms": 1.0}
    found = Goal(max_f1_drop=0.02).excess(0.9, 4.0, 0.95)
    assert found == {"max_f1_drop": pytest.approx(0.03)}


BOTH = [outcome(0, 0.90, 5.0), outcome(1, 0.91, 6.0), outcome(2, 0.90, 4.0), outcome(3, 0.80, 1.0)]
BEST = [
    ("the most accurate", BOTH, Goal(), 1),
    ("the first of equals", [outcome(0, 0.9), outcome(1, 0.9)], Goal(), 0),
    ("the fastest as accurate as its own config", BOTH, Goal(latency=True), 2),
    ("the most accurate where its own config failed",
     [outcome(0, None, state="fail"), *BOTH[1:]], Goal(latency=True), 1),
    ("the fastest under a bound of F1",
     [*BOTH[:3], outcome(3, 0.8, 1.0, feasible=False)], Goal(max_f1_drop=0.01), 2),
    ("the most accurate under a bound of latency",
     [BOTH[0], outcome(1, 0.91, 6.0, feasible=False)], Goal(max_latency_ms=5.5), 0),
    ("none where none is complete", [outcome(0, None, state="running")], Goal(), None),
    ("none where none meets it", [outcome(0, 0.9, feasible=False)], Goal(max_latency_ms=1.0), None),
]  # fmt: skip


@pytest.mark.parametrize(("outcomes", "goal", "trial"), [case[1:] for case in BEST],
                         ids=[case[0] for case in BEST])  # fmt: skip
def test_the_best_is(outcomes: list[Outcome], goal: Goal, trial: int | None) -> None:
    found = best(outcomes, goal)
    assert (found.trial if found else None) == trial


def test_the_front_is_what_nothing_beats() -> None:
    more = [*BOTH, outcome(4, 0.79, 2.0), outcome(5, None, state="pruned")]
    assert [one.trial for one in front(more)] == [3, 2, 1]

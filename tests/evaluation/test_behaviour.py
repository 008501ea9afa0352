"""Scores of behavioural tests: what passes, how families weigh, and what is beyond noise."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fincompress.data.behaviour import HELD_OUT, OPEN, Case, Family
from fincompress.evaluation.behaviour import (
    behaviour_parts,
    family_results,
    passed_cases,
    score_behaviour,
)
from fincompress.evaluation.results import Answers

SURE = {"negative": [4.0, 0.0, 0.0], "neutral": [0.0, 4.0, 0.0], "positive": [0.0, 0.0, 4.0]}


def family(name: str, kind: str, cases: int = 2, **more: Any) -> Family:
    sides = 1 if kind == "minimum_functionality" else 2
    half = tuple(
        Case(i % 2, tuple(f"{name} {i} {side}" for side in range(sides))) for i in range(cases)
    )
    values: dict[str, Any] = {"label": None, "expect": "", **more}
    return Family(name, f"{name}?", kind, cases={OPEN: half, HELD_OUT: half}, **values)


def logits(*labels: str) -> list[list[float]]:
    return [SURE[label] for label in labels]


@pytest.mark.parametrize(
    ("kind", "more", "answers", "passes"),
    [
        ("minimum_functionality", {"label": 0}, ["negative", "positive"], [True, False]),
        ("invariance", {}, ["neutral", "neutral", "neutral", "negative"], [True, False]),
        (
            "direction", {"expect": "not_more_positive"},
            ["neutral", "negative", "neutral", "positive"], [True, False],
        ),
        (
            "direction", {"expect": "not_more_negative"},
            ["neutral", "negative", "neutral", "positive"], [False, True],
        ),
    ],
)  # fmt: skip
def test_what_passes(
    kind: str, more: dict[str, Any], answers: Sequence[str], passes: list[bool]
) -> None:
    one = family("f", kind, **more)
    assert passed_cases([one], OPEN, logits(*answers))["f"].tolist() == [passes]


def test_a_score_may_move_a_tenth_in_the_wrong_direction() -> None:
    one = family("f", "direction", cases=1, expect="not_more_positive")
    for positive, passes in ((0.54, True), (0.56, False)):  # the score is the difference to 1 - p
        rows = np.log([[0.5, 1e-9, 0.5], [1 - positive, 1e-9, positive]])
        assert passed_cases([one], OPEN, rows)["f"].tolist() == [[passes]]


def test_families_are_told_apart_by_their_place() -> None:
    whole = family("w", "minimum_functionality", label=0)
    families = [
        family("a", "invariance"),
        replace(whole, cases={**whole.cases, OPEN: ()}),
        family("b", "minimum_functionality", label=2),
    ]
    parts = behaviour_parts(families)
    assert parts["behaviour_open"][3:5] == ("a 1 1", "b 0 0")
    assert parts["behaviour"][3:7] == ("a 1 1", "w 0 0", "w 1 0", "b 0 0")
    given = logits("neutral", "neutral", "neutral", "neutral", "positive", "negative")
    passed = passed_cases(families, OPEN, given)
    assert {name: rows.tolist() for name, rows in passed.items()} == {
        "a": [[True, True]], "b": [[True, False]],
    }  # fmt: skip
    assert behaviour_parts([]) == {}


def answered(**variants: list[list[float]]) -> Answers:
    rows = {name: tuple(map(tuple, given)) for name, given in variants.items()}
    logits: Any = {name: {"behaviour_open": x, "behaviour": x} for name, x in rows.items()}
    return Answers(texts={}, labels={}, sources={}, logits={**logits, "peer@x": {"val": ()}})


def test_all_weighs_families_alike_and_seeds_are_averaged() -> None:
    families = [
        family("a", "minimum_functionality", cases=4, label=0),
        family("b", "minimum_functionality", cases=2, label=2),
    ]
    right = logits(*["negative"] * 4, "positive", "positive")
    half = logits(*["negative"] * 4, "neutral", "neutral")
    qualities, results = score_behaviour(
        families, [answered(teacher=right, s=half), answered(teacher=right, s=right)], "teacher"
    )
    metrics, intervals = qualities["s"]
    assert metrics["behaviour/all"] == metrics["behaviour_open/all"] == 0.75
    assert (metrics["behaviour/a"], metrics["behaviour/b"]) == (1.0, 0.5)
    assert metrics["behaviour/confident_errors"] == 1.0  # two of one seed, none of the other
    assert intervals.keys() == {"behaviour/all"}
    assert [result.family for result in results] == ["all", "a", "b"]
    assert set(results[0].shares) == {"teacher", "s"}
    assert results[2].differences == {"teacher": 0.0, "s": -0.5}


def test_without_families_or_a_teacher_there_is_no_result() -> None:
    families = [family("a", "minimum_functionality", label=0)]
    assert score_behaviour([], [answered(teacher=[])], "teacher") == ({}, ())
    other = answered(s=logits("negative", "negative"))
    assert score_behaviour(families, [other], "teacher") == ({}, ())


def test_intervals_cover_the_share_and_p_is_corrected_for_the_number_of_families() -> None:
    names = [f"f{i}" for i in range(4)]
    families = [family(name, "minimum_functionality", cases=40, label=0) for name in names]
    everything = np.ones((1, 40), dtype=bool)
    worse = everything.copy()
    worse[:, :8] = False  # of the first family; McNemar's p is 2 / 2^8
    passed = {
        "teacher": dict.fromkeys(names, everything),
        "s": dict.fromkeys(names, everything) | {"f0": worse},
    }
    overall, first, second, *_ = family_results(families, passed, "teacher")
    assert first.p_values["s"] == pytest.approx(4 * 2 / 2**8)
    assert second.p_values["s"] == 1.0
    low, high = first.intervals["s"]
    assert 0.64 < low < 0.8 < high < 0.9  # Wilson's for 32 of 40
    assert second.intervals["s"][0] == pytest.approx(0.912, abs=1e-3)  # not 1, though all passed
    low, high = first.difference_intervals["s"]
    assert low < -0.2 < high < 0
    assert overall.differences["s"] == pytest.approx(-0.05)
    assert overall.cases == 160


def test_the_interval_over_all_families_comes_from_frames() -> None:
    one = family("f", "minimum_functionality", cases=40, label=0)  # of two frames
    by_frame = np.array([[i % 2 == 0 for i in range(40)]])  # one passes, the other fails
    passed = {"teacher": {"f": by_frame}}
    assert family_results([one], passed, "teacher")[0].intervals["teacher"] == (0.0, 1.0)

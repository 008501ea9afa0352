"""Tables of behavioural tests: what a variant loses, what it cannot do, and where it fails."""

from typing import Any

import pytest

from fincompress.data.behaviour import HELD_OUT, OPEN, Case, Family
from fincompress.evaluation.behaviour import score_behaviour
from fincompress.evaluation.results import BEHAVIOUR, Answers, FamilyResult
from fincompress.reports.behaviour_tables import (
    behaviour_files,
    behaviour_frame,
    behaviour_markdown,
    describe_weaknesses,
    failed_cases,
)

RIGHT, WRONG = (4.0, 0.0, 0.0), (0.0, 0.0, 4.0)


def cases(name: str, sides: int = 1) -> tuple[Case, ...]:
    return tuple(Case(i % 4, tuple(f"{name} {i}{s}" for s in range(sides))) for i in range(40))


LOSS = {OPEN: cases("a"), HELD_OUT: cases("b")}
SAME = {OPEN: (), HELD_OUT: cases("c", 2)}
FAMILIES = (
    Family("loss", "Losses?", "minimum_functionality", 0, "", LOSS),
    Family("same", "Same?", "invariance", None, "", SAME),
)


@pytest.fixture
def answers() -> Answers:
    """The teacher passes everything, the student 10 of 40 of `loss` and all pairs of `same`."""
    twins = (RIGHT,) * 80
    given: Any = {
        "teacher": {"behaviour_open": (RIGHT,) * 40, "behaviour": (RIGHT,) * 40 + twins},
        "student": {
            "behaviour_open": (RIGHT,) * 10 + (WRONG,) * 30,
            "behaviour": (RIGHT,) * 10 + (WRONG,) * 30 + twins,
        },
    }
    return Answers(texts={}, labels={}, sources={}, logits=given)


@pytest.fixture
def results(answers: Answers) -> tuple[FamilyResult, ...]:
    return score_behaviour(FAMILIES, [answers], "teacher")[1]


def test_a_row_a_family_and_the_loss_where_it_is_beyond_noise(
    results: tuple[FamilyResult, ...],
) -> None:
    table = behaviour_markdown(results).splitlines()
    assert table[2] == "| family | cases | teacher | student |"
    assert table[4].startswith("| all | 80 | 100% [100, 100] | 62% [")
    assert table[5:] == ["| loss | 40 | 100% | 25% (-75) |", "| same | 40 | 100% | 100% |"]


def test_the_frame_has_a_row_for_each_family_and_variant(
    results: tuple[FamilyResult, ...],
) -> None:
    frame = behaviour_frame(results).set_index(["family", "variant"])
    assert len(frame) == 6
    assert frame["over_teacher"].loc["loss", "student"] == -0.75
    assert frame["p"].loc["loss", "student"] < 1e-6
    assert set(behaviour_files(results, "seeds_")) == {"seeds_behaviour.csv", "seeds_behaviour.md"}
    assert behaviour_files(()) == {}


def test_what_a_variant_cannot_do_is_said(answers: Answers) -> None:
    qualities, _ = score_behaviour(FAMILIES, [answers], "teacher")
    assert describe_weaknesses(qualities["student"][0]) == (
        "families of behavioural tests of which it passes less than 80%: loss 25%"
    )
    assert describe_weaknesses(qualities["teacher"][0]) == (
        "of every family of behavioural tests it passes at least 80%"
    )
    assert describe_weaknesses({"test/macro_f1": 0.9}) == ""
    no_families = {"all": 0.9, "confident_errors": 3.0, "handed_over": 0.3}
    metrics = {f"{BEHAVIOUR}/{name}": value for name, value in no_families.items()}
    assert describe_weaknesses(metrics) == (
        "of every family of behavioural tests it passes at least 80%"
    )


def test_only_failures_of_the_open_half_are_listed(answers: Answers) -> None:
    failed = failed_cases(FAMILIES, answers, ["teacher", "student"])
    assert failed["text"].tolist() == [f"a {i}0" for i in range(10, 15)]  # five of a family
    assert list(failed) == list(failed_cases(FAMILIES, answers, [])), "also where nothing fails"
    first = failed.iloc[0]
    assert (first["variant"], first["label"], first["answers"]) == (
        "student", "negative", "positive",
    )  # fmt: skip

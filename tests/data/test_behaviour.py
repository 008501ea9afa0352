"""Behavioural tests read from YAML: cases from frames and words, and one message a mistake."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from fincompress.config import UserError
from fincompress.data.behaviour import (
    CASES,
    HELD_OUT,
    OPEN,
    Family,
    families_fingerprint,
    half_texts,
    load_families,
)

SHARED = {"company": ["Acme", "Zeta", "Nord"], "city": ["Oslo", "Turin"]}
LOSS = {"loss": ["net loss", "loss"], "grew": ["grew", "widened"]}


def falls(**changes: Any) -> dict[str, Any]:
    """A family of minimum functionality."""
    half = {
        "frames": ["{loss} at {company} {grew} to EUR {high} million from {low}", "{loss} {grew}."],
        "words": LOSS,
    }
    family = {
        "question": "A loss that grows is bad news.", "kind": "minimum_functionality",
        "label": "negative", "open": half, "held_out": half,
    }  # fmt: skip
    return {key: value for key, value in {**family, **changes}.items() if value is not None}


def twins(kind: str, frame: str, **changes: Any) -> dict[str, Any]:
    half = {"frames": [frame], "words": changes.pop("words", {})}
    return {"question": "?", "kind": kind, "open": half, "held_out": half, **changes}


def load(folder: Path, families: Mapping[str, Any]) -> tuple[Family, ...]:
    words = {OPEN: SHARED, HELD_OUT: SHARED}
    (folder / "words.yaml").write_text(yaml.safe_dump(words), encoding="utf-8")
    text = yaml.safe_dump({"description": "d", "families": dict(families)})
    (folder / "some.yaml").write_text(text, encoding="utf-8")
    return load_families(folder)


def test_every_half_has_its_number_of_different_cases(tmp_path: Path) -> None:
    (family,) = load(tmp_path, {"loss_grows": falls()})
    assert family.label == 0
    for half, count in CASES.items():
        cases = family.cases[half]
        assert len({case.texts for case in cases}) == len(cases) == count
        assert all(text[0].isupper() and "{" not in text for text in half_texts([family], half))


def test_the_later_figure_is_the_higher_one(tmp_path: Path) -> None:
    (family,) = load(tmp_path, {"loss_grows": falls()})
    pairs = [
        text.split("EUR ")[1].split(" million from ")
        for text in half_texts([family], HELD_OUT)
        if "EUR" in text
    ]
    assert pairs
    assert all(float(high) > float(low) for high, low in pairs)


def test_the_same_files_give_the_same_sentences_whatever_else_there_is(tmp_path: Path) -> None:
    first = load(tmp_path, {"loss_grows": falls()})
    again = load(tmp_path, {"another": falls(label="neutral"), "loss_grows": falls()})
    assert first[0].cases == {f.name: f for f in again}["loss_grows"].cases
    assert families_fingerprint(first, OPEN) != families_fingerprint(again, OPEN)


def test_a_whole_family_has_no_open_case(tmp_path: Path) -> None:
    (family,) = load(tmp_path, {"loss_grows": falls(whole=True, open=None)})
    assert (len(family.cases[OPEN]), len(family.cases[HELD_OUT])) == (0, CASES[HELD_OUT])


def test_invariance_draws_two_values_of_what_must_not_matter(tmp_path: Path) -> None:
    frame = "{company} of {city} lost {count} customers in {month} {year}"
    (family,) = load(tmp_path, {"f": twins("invariance", frame, vary="company")})
    for case in family.cases[OPEN]:
        first, second = (text.split(" of ") for text in case.texts)
        assert first[0] != second[0]
        assert first[1] == second[1]


def test_invariance_takes_pairs_of_equivalents(tmp_path: Path) -> None:
    words = {"share": [["12 %", "12 percent"], ["3 %", "3 percent"]]}
    frame = "sales of {company} in {city} rose {share} to {high} in {year}"
    (family,) = load(tmp_path, {"f": twins("invariance", frame, vary="share", words=words)})
    assert all(
        case.texts[0].replace("%", "percent") == case.texts[1] for case in family.cases[OPEN]
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("lower_case", "acme sold {} ships in oslo."),
        ("upper_case", "ACME SOLD {} SHIPS IN OSLO."),
        ("no_full_stop", "Acme sold {} ships in Oslo"),
    ],
)
def test_invariance_changes_the_whole_text(tmp_path: Path, change: str, expected: str) -> None:
    frame = "Acme sold {count} ships in Oslo."
    (family,) = load(tmp_path, {"f": twins("invariance", frame, vary=change)})
    for case in family.cases[OPEN]:
        count = case.texts[0].split()[2]
        assert case.texts == (frame.format(count=count), expected.format(count))


def test_direction_adds_to_the_first_sentence(tmp_path: Path) -> None:
    words = {"added": [" after a warning", ", hit by a strike"]}
    frame = "{company} met in {city} on {day} {year}{added}"
    family = twins("direction", frame, expect="not_more_positive", words=words)
    for case in load(tmp_path, {"f": family})[0].cases[HELD_OUT]:
        assert case.texts[1].removeprefix(case.texts[0]) in words["added"]


HALF = {"frames": ["{loss} of {firm}"], "words": {"loss": ["loss"], "firm": ["one"]}}
PAIRS = {"frames": ["{loss}"], "words": {"loss": [["loss", "deficit"]]}}
MISTAKES = {
    "no words": (
        falls(open={"frames": ["{compny} fell"]}),
        "open: no words for the slot 'compny'; did you mean 'company'?",
    ),
    "unused": (
        falls(open={**HALF, "frames": ["{loss} of {company}"]}),
        "open: words: no frame has the slot 'firm'",
    ),
    "few": (falls(held_out=HALF), "held_out: gives 1 different cases, and 60 are needed; add "),
    "pair": (falls(open=PAIRS), "open: words.loss: must be words, not ('loss', 'deficit')"),
    "no label": (falls(label=None), "f: a family of minimum_functionality needs 'label'"),
    "label": (
        twins("invariance", "{city}", vary="city", label="neutral"),
        "f: a family of invariance has no 'label'",
    ),
    "unknown label": (falls(label="bad"), "label: input should be '', 'negative', 'neutral' or"),
    "no half": (falls(open=None), "f: a family has either an 'open' half or 'whole: true'"),
    "not varied": (
        twins("invariance", "{city}", vary="company"),
        "open: frame '{city}': must have the slot 'company'",
    ),
    "no addition": (
        twins("direction", "{city}", expect="not_more_negative"),
        "open: frame '{city}': must have the slot 'added'",
    ),
    "empty list": (
        falls(open={**HALF, "words": {"loss": [], "firm": ["one"]}}),
        "open.words.loss: tuple should have at least 1 item after validation, not 0, not []",
    ),
    "words of a figure": (
        falls(open={"frames": ["{count} of {company}"], "words": {"count": ["ten"]}}),
        "open: words: 'count' is the slot of a figure; choose another name",
    ),
    "varied figure": (
        twins("invariance", "{company} lost {percent}%", vary="percent"),
        "open: vary: must be a slot with words, not the figure 'percent'",
    ),
    "nothing but an addition": (
        twins("direction", "{added}", expect="not_more_positive", words={"added": ["a strike"]}),
        "open: frame '{added}': gives an empty sentence; add text to it",
    ),
    "unknown key": (falls(lable="negative"), "unknown key 'lable'; did you mean 'label'?"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(tmp_path: Path, mistake: str) -> None:
    family, message = MISTAKES[mistake]
    with pytest.raises(UserError) as error:
        load(tmp_path, {"f": family})
    assert str(error.value).startswith(f"{tmp_path / 'some.yaml'}: ")
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["all", "confident_errors"])
def test_a_metric_s_name_is_no_family_s(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=rf"some.yaml: {name}: the name is that of a metric"):
        load(tmp_path, {name: falls()})


def test_a_name_belongs_to_one_family(tmp_path: Path) -> None:
    load(tmp_path, {"loss_grows": falls()})
    (tmp_path / "other.yaml").write_text((tmp_path / "some.yaml").read_text(), encoding="utf-8")
    with pytest.raises(UserError, match=r"some.yaml: loss_grows: another file has a family"):
        load_families(tmp_path)

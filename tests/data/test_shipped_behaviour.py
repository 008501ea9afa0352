"""The shipped behavioural tests: how many there are, and that their held-out half is held out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fincompress import studies
from fincompress.config import parse, read_yaml
from fincompress.data.behaviour import (
    CASES,
    HALVES,
    HELD_OUT,
    OPEN,
    SHARED_WORDS,
    FamilyFile,
    families_fingerprint,
    half_texts,
    load_families,
)

FOLDER = studies.EXPERIMENTS / "behaviour"
FAMILIES = load_families(FOLDER)
# Held out as a whole, and written down before anything was trained on generated sentences.
WHOLE = {
    "accounts_restated", "bond_oversubscribed", "covenant_breach", "credit_rating_upgraded",
    "data_breach", "insiders_buy_shares", "patent_granted", "product_recall",
    "short_seller_report", "sponsorship",
}  # fmt: skip
# Changing a sentence changes what models are compared by: results before and after do not compare.
HELD_OUT_SHA256 = "d9fcaeece74d2ab003a601e11abece726917ea3b1c562869758f2569b50b6a7a"


def family_files() -> Iterator[tuple[str, FamilyFile]]:
    for path in sorted(Path(FOLDER).glob("*.yaml")):
        if path.name != SHARED_WORDS:
            for name, data in read_yaml(path)["families"].items():
                yield name, parse(FamilyFile, data, f"{path}: {name}")


def test_there_are_sixty_families_of_three_kinds() -> None:
    assert len(FAMILIES) >= 60
    assert {f.kind for f in FAMILIES} == {"minimum_functionality", "invariance", "direction"}
    assert {f.name for f in FAMILIES if not f.cases[OPEN]} == WHOLE
    for label in range(3):  # neither a model that always says one label nor a coin passes
        assert sum(f.label == label for f in FAMILIES) >= 9


@pytest.mark.parametrize("name", ["open", "held_out"])
def test_every_family_has_all_of_its_cases(name: str) -> None:
    assert {len(f.cases[name]) for f in FAMILIES} <= {0, CASES[name]}


def test_the_halves_share_neither_frames_nor_the_words_that_matter() -> None:
    for name, family in family_files():
        if family.open is None or family.kind == "invariance":
            continue
        assert not set(family.open.frames) & set(family.held_out.frames), name
        given = [{v for values in half.words.values() for v in values} for half in
                 (family.open, family.held_out)]  # fmt: skip
        assert not given[0] & given[1], name


def test_no_sentence_is_in_both_halves() -> None:
    first, second = (set(half_texts(FAMILIES, half)) for half in HALVES)
    assert not first & second


def test_the_held_out_half_is_the_committed_one() -> None:
    assert families_fingerprint(FAMILIES, HELD_OUT) == HELD_OUT_SHA256

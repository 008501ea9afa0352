"""Near duplicates: the share of words in common, and what repeats an earlier text."""

import random
import re

import pytest

from fincompress.data import near_duplicates as module
from fincompress.data.near_duplicates import NEAR, near_duplicates, repeats, resemblance


def share(text: str, other: str) -> float:
    """The definition, for one pair."""
    one, two = (set(re.findall(r"\w+", each.lower())) for each in (text, other))
    return len(one & two) / max(len(one | two), 1)


def repeated(texts: list[str]) -> list[bool]:
    """Each text compared with every earlier one that was kept."""
    kept, found = list[str](), list[bool]()
    for text in texts:
        found.append(any(share(text, other) >= NEAR for other in kept))
        kept += [] if found[-1] else [text]
    return found


def random_texts(seed: int) -> list[str]:
    """Of few words, rare and common ones, in any case; some texts have none at all."""
    draw = random.Random(seed)
    words = [f"w{number}" for number in range(draw.choice([4, 12, 40]))]
    weights = [1 / (1 + number) for number in range(len(words))]
    texts = []
    for _ in range(draw.randint(1, 90)):
        drawn = draw.choices(words, weights, k=draw.randint(0, 12))
        texts.append(" , ".join(draw.choice([word, word.upper()]) for word in drawn) + " !")
    return texts


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 7)
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", 5)


def test_resemblance_is_the_share_of_words_in_common() -> None:
    found = resemblance(["Profit rose 5 %", "a b", "!"], ["profit rose 6 %", "b c d"])
    assert found.tolist() == pytest.approx([2 / 4, 1 / 4, 0])
    assert near_duplicates(["profit rose again", "other"], ["Profit rose , again !"]) == 1


def test_texts_without_words_resemble_nothing() -> None:
    assert resemblance(["a"], []).tolist() == [0.0]
    assert resemblance([], ["a"]).tolist() == []
    assert resemblance(["!", ""], ["!"]).tolist() == [0.0, 0.0]
    assert repeats([]).tolist() == []
    assert repeats(["!", "!", "a", "", "A ."]).tolist() == [False, False, False, False, True]


@pytest.mark.parametrize("seed", range(40))
def test_both_are_what_comparing_every_pair_gives(seed: int, small_blocks: None) -> None:
    texts, others = random_texts(seed), random_texts(seed + 1000)
    highest = [max(share(text, other) for other in others) for text in texts]
    assert resemblance(texts, others).tolist() == highest
    assert repeats(texts).tolist() == repeated(texts)


def test_the_first_of_a_group_stays_and_what_resembles_a_repeat_alone_stays_too() -> None:
    chain = ["a b c d", "a b c e", "b c e f", "a b c d !"]
    assert [share(chain[0], chain[2]) < NEAR, share(chain[1], chain[2]) >= NEAR] == [True, True]
    assert repeats(chain).tolist() == [False, True, False, True]


@pytest.mark.parametrize("times", [*range(1, 9), 20, 41])
def test_exactly_so_much_is_enough_at_every_length(times: int) -> None:
    shared = [f"s{number}" for number in range(3 * times)]
    own = [f"o{number}" for number in range(2 * times)]  # as rare as a word can be
    for more in (own, own[: len(own) // 2]):
        rest = own[len(more) :]
        pair = [" ".join(more + shared), " ".join(shared + rest)]
        assert share(*pair) == NEAR
        assert repeats(pair).tolist() == repeats(pair[::-1]).tolist() == [False, True]
    assert not repeats([" ".join(shared), " ".join([*own, *shared, "other"])]).any()

"""The synthetic corpus: seeded, unique, even in its classes, and not for bags of words."""

import re
from collections import Counter
from itertools import chain
from pathlib import Path

import pandas as pd
import pytest

from fincompress.benchmark.tfidf import fit_floor
from fincompress.data import SENTIMENT, Sentences
from fincompress.data.sentences import clean_text
from fincompress.data.synthetic.generator import (
    BY_MOVE,
    BY_OUTCOME,
    FRAMES,
    MOVES,
    QUANTITIES,
    SPECIAL_MOVES,
    WORDS,
    generate,
)
from fincompress.data.synthetic.word_tables import Tiers
from fincompress.evaluation.metrics import classification_scores

Corpus = dict[str, list[tuple[str, str]]]
SHARES = {"neutral": 0.33, "positive": 0.34, "negative": 0.33}
PLAIN = Path(__file__).parents[2] / "plain_sentences.csv"


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return generate(42)


def words(rows: list[tuple[str, str]]) -> set[str]:
    """Words in lower case as written: no names, no figures."""
    return {word for text, _ in rows for word in re.findall(r"\b[a-z]{3,}\b", text)}


def test_the_seed_decides_every_row(corpus: Corpus) -> None:
    assert generate(42) == corpus
    other = generate(7)
    assert list(other) == list(corpus)
    for part, rows in corpus.items():
        shared = set(rows) & set(other[part])
        assert len(shared) < 0.25 * len(rows)  # some plain sentences have no slot to differ in


def test_it_has_three_parts_and_at_least_two_thousand_sentences(corpus: Corpus) -> None:
    assert list(corpus) == ["train", "val", "test"]
    assert sum(map(len, corpus.values())) >= 2000
    assert len(corpus["train"]) > len(corpus["val"]) + len(corpus["test"])


def test_no_sentence_occurs_twice_in_any_parts(corpus: Corpus) -> None:
    texts = [text for rows in corpus.values() for text, _ in rows]
    assert [text for text, n in Counter(texts).items() if n > 1] == []


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_every_class_has_a_third(corpus: Corpus, part: str) -> None:
    counts = Counter(label for _, label in corpus[part])
    assert set(counts) == set(SENTIMENT)
    shares = {label: counts[label] / len(corpus[part]) for label in SHARES}
    assert shares == pytest.approx(SHARES, abs=0.02)


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_labels_do_not_stand_in_blocks(corpus: Corpus, part: str) -> None:
    first = {label for _, label in corpus[part][:50]}
    last = {label for _, label in corpus[part][-50:]}
    assert first == last == set(SENTIMENT)


def test_every_frame_is_filled_and_clean(corpus: Corpus) -> None:
    texts = [text for rows in corpus.values() for text, _ in rows]
    assert [
        text for text in texts if re.search(r"[{}\[\]|#]", text) or clean_text(text) != text
    ] == []


def test_val_and_test_have_words_of_their_own(corpus: Corpus) -> None:
    train, val, test = (words(corpus[part]) for part in ("train", "val", "test"))
    assert len(val - train - test) >= 20
    assert len(test - train - val) >= 20


@pytest.mark.parametrize("seed", [42, 1])
def test_a_bag_of_words_learns_something_but_not_the_task(seed: int) -> None:
    parts = {
        part: Sentences.of([(text, label, "sample") for text, label in rows], SENTIMENT)
        for part, rows in generate(seed).items()
    }
    test = parts["test"]
    found = classification_scores(
        test.labels,
        fit_floor(parts["train"].texts, parts["train"].labels)(test.texts).argmax(1),
        SENTIMENT,
    )
    assert 0.5 < found["macro_f1"] < 0.85


# --- the plain sentences that a finished quickstart is asked -----------------------------------


def every(table: Tiers) -> list[str]:
    return list(chain.from_iterable(table.values()))


def fillings() -> dict[str, list[str]]:
    """What each slot can hold in any split; names and figures, which have no entry, are free."""
    moves = [move.split("|") for table in (MOVES | SPECIAL_MOVES).values() for move in every(table)]
    past, verb, noun = (list(forms) for forms in zip(*moves, strict=True))
    names = [name.partition(":")[0] for table in QUANTITIES.values() for name in every(table)]
    found = {slot: every(table) for slot, table in WORDS.items() if slot != "co"}
    found |= {
        slot: [side for entry in every(table) for side in entry.split("|")]
        for slot, table in (BY_MOVE | BY_OUTCOME).items()
    }
    found["reason"] = ["", *(f" , {reason}" for reason in found["reason"])]
    found |= dict.fromkeys(("q", "result", "driver", "asset"), names)
    return found | {"past": past, "opposite": past, "verb": verb, "noun": noun}


def pattern(text: str, slots: dict[str, list[str]]) -> str:
    """A regular expression for all that a frame can become."""
    made = ""
    for part in re.split(r"(\{\w+\}|\[[^\]]*\])", text):
        choices = slots.get(part[1:-1], []) if part[:1] == "{" else part[1:-1].split("|")
        if part[:1] in ("{", "["):
            made += f"(?:{'|'.join(pattern(one, slots) for one in choices) or '.+'})"
        else:
            made += re.escape(part.lower())
    return made


@pytest.fixture(scope="module")
def frames() -> dict[str, str]:
    """Every frame with its regular expression."""
    slots = fillings()
    return {frame: pattern(frame, slots) for table in FRAMES.values() for frame in every(table)}


def frames_of(text: str, frames: dict[str, str]) -> list[str]:
    bare = re.sub(r"\s*\.$", "", text.lower())
    return [frame for frame, table_files in frames.items() if re.fullmatch(table_files, bare)]


def test_each_sentence_is_found_to_be_of_some_frame(corpus: Corpus, frames: dict[str, str]) -> None:
    some = [text for part in corpus.values() for text, _ in part[:40]]
    assert [text for text in some if not frames_of(text, frames)] == []


def test_no_frame_can_give_a_plain_sentence(frames: dict[str, str]) -> None:
    """Whatever the company and the figures, or they would ask for what was learned by heart."""
    plain = pd.read_csv(PLAIN)
    assert Counter(plain["label"]) == {"negative": 17, "positive": 17, "neutral": 16}
    found = {text: frames_of(text, frames) for text in plain["text"]}
    assert {text: own for text, own in found.items() if own} == {}

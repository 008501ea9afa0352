"""The synthetic corpus: seeded, unique, with a real corpus's shares, and not for bags of words."""

import re
from collections import Counter

import pytest

from fincompress.data import LABELS, Sentences
from fincompress.data.rows import clean
from fincompress.data.sample import generate
from fincompress.evaluation.floor import fit_floor
from fincompress.evaluation.metrics import scores

Corpus = dict[str, list[tuple[str, str]]]
SHARES = {"neutral": 0.61, "positive": 0.25, "negative": 0.14}


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
        assert len(shared) < 0.1 * len(rows)


def test_it_has_three_parts_and_at_least_two_thousand_sentences(corpus: Corpus) -> None:
    assert list(corpus) == ["train", "val", "test"]
    assert sum(map(len, corpus.values())) >= 2000
    assert len(corpus["train"]) > len(corpus["val"]) + len(corpus["test"])


def test_no_sentence_occurs_twice_in_any_parts(corpus: Corpus) -> None:
    texts = [text for rows in corpus.values() for text, _ in rows]
    assert [text for text, n in Counter(texts).items() if n > 1] == []


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_class_shares_are_near_those_of_phrasebank(corpus: Corpus, part: str) -> None:
    counts = Counter(label for _, label in corpus[part])
    assert set(counts) == set(LABELS)
    shares = {label: counts[label] / len(corpus[part]) for label in SHARES}
    assert shares == pytest.approx(SHARES, abs=0.02)


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_labels_do_not_stand_in_blocks(corpus: Corpus, part: str) -> None:
    first = {label for _, label in corpus[part][:50]}
    last = {label for _, label in corpus[part][-50:]}
    assert first == last == set(LABELS)


def test_every_frame_is_filled_and_clean(corpus: Corpus) -> None:
    texts = [text for rows in corpus.values() for text, _ in rows]
    assert [text for text in texts if re.search(r"[{}\[\]|#]", text) or clean(text) != text] == []


def test_val_and_test_have_words_of_their_own(corpus: Corpus) -> None:
    train, val, test = (words(corpus[part]) for part in ("train", "val", "test"))
    assert len(val - train - test) >= 20
    assert len(test - train - val) >= 20


@pytest.mark.parametrize("seed", [42, 1])
def test_a_bag_of_words_learns_something_but_not_the_task(seed: int) -> None:
    parts = {
        part: Sentences.of([(text, label, "sample") for text, label in rows])
        for part, rows in generate(seed).items()
    }
    test = parts["test"]
    found = scores(
        test.labels, fit_floor(parts["train"].texts, parts["train"].labels)(test.texts).argmax(1)
    )
    assert 0.5 < found["macro_f1"] < 0.85

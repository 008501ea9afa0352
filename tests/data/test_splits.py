"""Rows become stratified parts without duplicates, under a fingerprint that names them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fincompress.data import SENTIMENT, DataConfig, Sentences, Splits, load_splits
from fincompress.data.sentences import Row
from tests.support.projects import refusal, tiny_sentences, write_csv


def split_of(rows: Sequence[tuple[str, object]], folder: Path, **config: Any) -> Splits:
    path = write_csv(folder / "my.csv", rows)
    return load_splits(DataConfig(sources=(path,), **config), None)


def test_a_split_is_70_15_15_and_stratified(tmp_path: Path) -> None:
    shares = {"negative": 20, "neutral": 105, "positive": 85}
    rows = [(f"{label} {i}", label) for label, n in shares.items() for i in range(n)]
    splits = split_of(rows, tmp_path)
    assert {part: Counter(s.labels) for part, s in splits.parts().items()} == {
        "train": {0: 14, 1: 73, 2: 59},
        "val": {0: 3, 1: 16, 2: 13},
        "test": {0: 3, 1: 16, 2: 13},
    }
    tables = pd.concat([s.frame() for s in splits.parts().values()])
    assert sorted(zip(tables["text"], tables["label"], strict=True)) == sorted(rows)


def test_seven_sentences_of_a_label_reach_every_part(tmp_path: Path) -> None:
    rows = [(f"{label} {i}", label) for label in SENTIMENT for i in range(7)]
    splits = split_of(rows, tmp_path)
    assert [set(s.labels) for s in splits.parts().values()] == [{0, 1, 2}] * 3


def test_six_sentences_of_a_label_are_too_few(tmp_path: Path) -> None:
    rows = [(f"{label} {i}", label) for label in SENTIMENT for i in range(7)]
    assert refusal(lambda: split_of(rows[:-1], tmp_path)) == (
        "data: a split needs at least 7 sentences of each label, 'positive' has 6; give it more, "
        "or leave it out"
    )


def test_all_labels_must_occur(tmp_path: Path) -> None:
    rows = [(f"a {i}", "neutral") for i in range(9)]
    assert refusal(lambda: split_of(rows, tmp_path)) == (
        "data: all of negative, neutral, positive must occur, "
        "found 0 negative, 9 neutral, 0 positive"
    )


def test_the_first_of_equal_sentences_is_kept_across_files(tmp_path: Path) -> None:
    rows: list[tuple[str, object]] = [("Profit rose .", "positive"), *tiny_sentences()]
    one = write_csv(tmp_path / "one.csv", [*rows, ("Odd  one", "neutral"), ("Odd one", "positive")])
    two = write_csv(tmp_path / "two.csv", [("Profit\trose .", "negative"), ("Last", "neutral")])
    splits = load_splits(DataConfig(sources=(one, two)), None)
    kept: dict[str, Row] = {
        text: (text, SENTIMENT[label], source)
        for s in splits.parts().values()
        for text, label, source in zip(s.texts, s.labels, s.origins, strict=True)
    }
    assert sum(map(len, splits.parts().values())) == len(kept) == 1 + 63 + 1 + 1
    assert kept["Profit rose ."] == ("Profit rose .", "positive", "one")
    assert kept["Odd one"] == ("Odd one", "neutral", "one")
    assert kept["Last"] == ("Last", "neutral", "two")
    assert splits.name == "one+two"


def test_the_fingerprint_follows_order_labels_seed_and_text(tmp_path: Path) -> None:
    rows = tiny_sentences()
    relabelled = [(text, "neutral" if i == 0 else label) for i, (text, label) in enumerate(rows)]
    respelled = [(text.replace("profit rose", "Profit rose"), label) for text, label in rows]
    same = split_of(rows, tmp_path).fingerprint
    assert split_of(rows, tmp_path).fingerprint == same
    others = {
        split_of(rows[::-1], tmp_path).fingerprint,
        split_of(relabelled, tmp_path).fingerprint,
        split_of(respelled, tmp_path).fingerprint,
        split_of(rows, tmp_path, split_seed=43).fingerprint,
    }
    assert len(others | {same}) == 5


def test_moving_a_sentence_to_another_part_changes_the_fingerprint() -> None:
    one, two = (Sentences.of([(text, "neutral", "x")], SENTIMENT) for text in ("a", "b"))
    straight = Splits("x", train=one, val=two, test=two, notes=(), synthetic=False)
    turned = Splits("x", train=two, val=one, test=two, notes=(), synthetic=False)
    assert straight.fingerprint != turned.fingerprint


def test_a_split_that_the_study_was_not_made_for_is_refused(tmp_path: Path) -> None:
    right = split_of(tiny_sentences(), tmp_path).fingerprint
    assert split_of(tiny_sentences(), tmp_path, fingerprint=right).fingerprint == right
    message = refusal(lambda: split_of(tiny_sentences(), tmp_path, fingerprint="beef"))
    assert message.startswith("data.fingerprint: this study was made for the split beef, and these")
    assert right in message


def test_the_sample_keeps_its_own_split_and_warns() -> None:
    splits = load_splits(DataConfig(sources=("sample",)), None)
    assert (splits.name, splits.synthetic) == ("sample", True)
    assert [note for note in splits.notes if note.startswith("Synthetic sentences")]
    assert set(splits.test.origins) == {"sample"}


def test_the_sample_cannot_be_mixed() -> None:
    assert refusal(lambda: load_splits(DataConfig(sources=("sample", "fiqa")), None)) == (
        "data.sources: 'sample' comes with its own split and cannot be mixed with fiqa"
    )


def test_sentences_become_a_table_of_names() -> None:
    sentences = Sentences.of([("a", "positive", "x"), ("b", "negative", "y")], SENTIMENT)
    assert sentences.labels == (2, 0)
    assert sentences.frame().to_dict("list") == {
        "text": ["a", "b"],
        "label": ["positive", "negative"],
        "origin": ["x", "y"],
    }

"""Sentences and splits: the values in which labelled texts are passed around."""

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from fincompress.config import UserError, fingerprint, nearest
from fincompress.data.labels import SENTIMENT
from fincompress.data.near_duplicates import near_duplicates

Row = tuple[str, str, str]  # text, label name, origin


def clean_text(text: str) -> str:
    """Return `text` with each run of white space as one space, and none at the ends.

    Nothing else is changed, since case and punctuation carry meaning.
    """
    return re.sub(r"\s+", " ", text).strip()


@dataclass(frozen=True)
class Sentences:
    """Labelled sentences, as three tuples of equal length.

    `texts`: the sentences. `labels`: the index of each one's label in `label_names`. `origins`: the
    name of the corpus or file that each one comes from. `label_names`: the study's labels.
    """

    texts: tuple[str, ...]
    labels: tuple[int, ...]
    origins: tuple[str, ...]
    label_names: tuple[str, ...] = SENTIMENT

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def of(cls, rows: Sequence[Row], label_names: tuple[str, ...]) -> "Sentences":
        """Return the sentences of `rows`, whose labels are among `label_names`."""
        return cls(
            tuple(text for text, _, _ in rows),
            tuple(label_names.index(label) for _, label, _ in rows),
            tuple(origin for _, _, origin in rows),
            label_names,
        )

    def first(self, count: int) -> "Sentences":
        """Return the first `count` sentences, or all if there are fewer."""
        return self._of_places(range(min(count, len(self))))

    def __add__(self, other: "Sentences") -> "Sentences":
        return replace(
            self,
            texts=self.texts + other.texts,
            labels=self.labels + other.labels,
            origins=self.origins + other.origins,
        )

    def of_origins(self, origins: Collection[str]) -> "Sentences":
        """Return the sentences that come from one of `origins`."""
        return self._of_places([i for i, origin in enumerate(self.origins) if origin in origins])

    def _of_places(self, places: Sequence[int]) -> "Sentences":
        return replace(
            self,
            texts=tuple(self.texts[i] for i in places),
            labels=tuple(self.labels[i] for i in places),
            origins=tuple(self.origins[i] for i in places),
        )

    def frame(self) -> pd.DataFrame:
        """Return a table with a row a sentence and the columns `text`, `label` and `origin`."""
        names = [self.label_names[label] for label in self.labels]
        return pd.DataFrame({"text": self.texts, "label": names, "origin": self.origins})


@dataclass(frozen=True)
class TrainingOnly:
    """Labelled sentences that only training reads, beside those of the split.

    `sentences`: those that are used. `known`: how many were left out because they are in the split,
    word for word. `alike`: how many were left out as near duplicates of validation or test.
    """

    sentences: Sentences = Sentences((), (), ())
    known: int = 0
    alike: int = 0


@dataclass(frozen=True)
class Transfer:
    """The transfer set: texts without labels, to learn the answers of other models from.

    `texts`: the texts. `known`: how many were left out because they are in the split, word for
    word. `alike`: how many were left out as near duplicates of validation or test. `repeated`: how
    many were left out as near duplicates of an earlier text of the transfer set. `held_out`: texts
    of the same kinds that no model learns from; the threshold of a cascade is chosen on them.
    `origins`: the name of the corpus or file that each of `texts` comes from.
    """

    texts: tuple[str, ...] = ()
    known: int = 0
    alike: int = 0
    repeated: int = 0
    held_out: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Splits:
    """A study's data: training, validation and test sentences.

    `name`: of the corpora, for people. `train`: the split's part to learn from. `val`: what models
    are chosen by. `test`: what is only reported. `notes`: licences and warnings that every model
    trained on the data has to carry. `synthetic`: whether the sentences are invented. `transfer`:
    texts without labels. `training_only`: labelled sentences beside the split's.
    """

    name: str
    train: Sentences
    val: Sentences
    test: Sentences
    notes: tuple[str, ...]
    synthetic: bool
    transfer: Transfer = Transfer()
    training_only: TrainingOnly = TrainingOnly()

    @property
    def label_names(self) -> tuple[str, ...]:
        """The study's labels; a class is an index of them."""
        return self.train.label_names

    @property
    def learned(self) -> Sentences:
        """All labelled sentences that models learn from."""
        return self.train + self.training_only.sentences

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """The texts of the transfer set that training does not read with a label."""
        labelled = set(self.training_only.sentences.texts)
        return tuple(text for text in self.transfer.texts if text not in labelled)

    def with_training_only(self, origins: Collection[str]) -> "Splits":
        """Return the splits with only those sentences beside the split that are of `origins`.

        Raises `UserError` for an origin that none of them has.
        """
        _check_origins("training_only", origins, self.training_only.sentences.origins)
        added = self.training_only.sentences.of_origins(origins)
        return replace(self, training_only=replace(self.training_only, sentences=added))

    def with_transfer(self, origins: Collection[str]) -> "Splits":
        """Return the splits with only those texts of the transfer set that are of `origins`.

        What is held out of it stays as it is. Raises `UserError` for an origin that none has.
        """
        transfer = self.transfer
        _check_origins("transfer", origins, transfer.origins)
        pairs = zip(transfer.texts, transfer.origins, strict=True)
        kept = [(text, origin) for text, origin in pairs if origin in origins]
        texts, kept_origins = tuple(text for text, _ in kept), tuple(origin for _, origin in kept)
        return replace(self, transfer=replace(transfer, texts=texts, origins=kept_origins))

    def parts(self) -> dict[str, Sentences]:
        """Return the labelled parts by their names `train`, `val` and `test`."""
        return {"train": self.train, "val": self.val, "test": self.test}

    def first(self, count: int) -> "Splits":
        """Return at most `count` sentences of training and of validation, and all of test.

        There is neither a transfer set nor any other sentence to learn from.
        """
        train, val = self.train.first(count), self.val.first(count)
        return replace(
            self, train=train, val=val, transfer=Transfer(), training_only=TrainingOnly()
        )

    def near_duplicates(self) -> dict[str, int]:
        """Return how many sentences of one part are near duplicates of one in another part.

        By pair: `train_val` counts the sentences of `val` that resemble one of `train`.
        """
        pairs = (("train", "val"), ("train", "test"), ("val", "test"))
        parts = self.parts()
        return {
            f"{first}_{second}": near_duplicates(parts[second].texts, parts[first].texts)
            for first, second in pairs
        }

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 over the part, label and text of every sentence, in order: 64 hex digits."""
        digest = hashlib.sha256()
        for part, sentences in self.parts().items():
            for text, label in zip(sentences.texts, sentences.labels, strict=True):
                name = sentences.label_names[label]
                digest.update(f"{part}\t{name}\t{text}\n".encode())
        return digest.hexdigest()

    @property
    def training_fingerprint(self) -> str:
        """The fingerprint of the split and of all other labelled sentences that training reads.

        It covers the origins of the others, and is that of the split where there are none.
        """
        added = self.training_only.sentences
        if not added.texts:
            return self.fingerprint
        return fingerprint([self.fingerprint, added.texts, added.labels, added.origins])


def _check_origins(key: str, origins: Collection[str], known: Collection[str]) -> None:
    """Raise `UserError` if one of `origins`, the values of `key`, is not among `known`."""
    names = sorted(set(known))
    for origin in origins:
        if origin not in names:
            raise UserError(f"{key}: unknown origin '{origin}'; {nearest(origin, names)}")

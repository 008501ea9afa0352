"""What every source yields: cleaned rows of (text, label name, source name)."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from fincompress.data.near_duplicates import near_duplicates

LABELS = ("negative", "neutral", "positive")  # the index is the class

Row = tuple[str, str, str]


def clean_text(text: str) -> str:
    """Collapse white space; nothing else, since case and punctuation carry meaning."""
    return re.sub(r"\s+", " ", text).strip()


@dataclass(frozen=True)
class Sentences:
    """Parallel tuples: text, label index into `LABELS`, name of the source."""

    texts: tuple[str, ...]
    labels: tuple[int, ...]
    origins: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Sentences":
        texts, labels, origins = zip(*rows, strict=True)
        return cls(texts, tuple(LABELS.index(label) for label in labels), origins)

    def first(self, count: int) -> "Sentences":
        return Sentences(self.texts[:count], self.labels[:count], self.origins[:count])

    def frame(self) -> pd.DataFrame:
        names = [LABELS[label] for label in self.labels]
        return pd.DataFrame({"text": self.texts, "label": names, "origin": self.origins})


@dataclass(frozen=True)
class Transfer:
    """Texts without labels, for students to learn from by their teacher's answers.

    What was taken out: `known` texts are in the split word for word, `alike` ones are near
    duplicates of a sentence of validation or test.
    """

    texts: tuple[str, ...] = ()
    known: int = 0
    alike: int = 0


@dataclass(frozen=True)
class Splits:
    """The three parts of one corpus. `notes` are licences and warnings that travel with models."""

    name: str
    train: Sentences
    val: Sentences
    test: Sentences
    notes: tuple[str, ...]
    synthetic: bool
    transfer: Transfer = Transfer()

    def parts(self) -> dict[str, Sentences]:
        return {"train": self.train, "val": self.val, "test": self.test}

    def first(self, count: int) -> "Splits":
        """The first sentences of training and validation, and all of test; no transfer set."""
        train, val = self.train.first(count), self.val.first(count)
        return replace(self, train=train, val=val, transfer=Transfer())

    def near_duplicates(self) -> dict[str, int]:
        """How many sentences of the later part are near duplicates of one of the earlier."""
        pairs = (("train", "val"), ("train", "test"), ("val", "test"))
        parts = self.parts()
        return {
            f"{first}_{second}": near_duplicates(parts[second].texts, parts[first].texts)
            for first, second in pairs
        }

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over every sentence with its part and label, in order."""
        digest = hashlib.sha256()
        for part, sentences in self.parts().items():
            for text, label in zip(sentences.texts, sentences.labels, strict=True):
                digest.update(f"{part}\t{LABELS[label]}\t{text}\n".encode())
        return digest.hexdigest()

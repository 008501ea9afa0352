"""A name becomes a technique. Each module here is one: adding a file adds a technique.

A technique is a module with

* `FAMILY`: the verb that builds its variants (`teacher`, `distill`, `quantize`, `prune`);
* `FORMATS`: the formats that it can write; the runtime of a variant says which one it does;
* `Config`: its frozen, self-validating settings;
* `resolve(config, inputs) -> Config`: symbolic choices replaced by what they mean here;
* `compress(inputs, config, out, callback) -> Artifact`: the method, on a resolved config.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, cast

from tokenizers import Tokenizer
from torch import Tensor

from fincompress.artifact import Artifact, read_artifact
from fincompress.callbacks import Callback
from fincompress.config import UserError, nearest
from fincompress.data import LABELS, Sentences, Splits
from fincompress.models.storage import Identity, load_encoder
from fincompress.models.tokenization import encode, load_tokenizer
from fincompress.runtimes import load_runtime
from fincompress.training.batches import EncodedSentences, predict_logits
from fincompress.training.device import training_device
from fincompress.training.loop import Budget
from fincompress.training.losses import UNLABELLED


@dataclass(frozen=True)
class Inputs:
    """What a technique may use: never the test split, and nothing of MLflow or Optuna.

    `transfer` are texts without labels, to be learned from by a teacher's answers.
    `source` is what is compressed, `teacher` the unpruned root of its tree (the source itself
    when the teacher is built), `pretrained` the study's base for students; all three are torch
    artifacts. `runtime` is what the result is for. `shape_only`: nobody will judge its answers.
    """

    source: Artifact
    teacher: Artifact
    pretrained: Artifact
    train: Sentences
    val: Sentences
    transfer: tuple[str, ...]
    corpus: tuple[str, ...]
    notes: tuple[str, ...]
    budget: Budget
    seed: int
    technique: str
    runtime: str
    fingerprint: str = ""
    shape_only: bool = False

    @classmethod
    def of(cls, splits: Splits, **rest: Any) -> "Inputs":
        known = {
            "corpus": splits.train.texts,
            "transfer": splits.transfer.texts,
            "notes": splits.notes,
        }
        return cls(train=splits.train, val=splits.val, **(known | rest))

    @property
    def format(self) -> str:
        return load_runtime(self.runtime).FORMAT

    def identity(self) -> Identity:
        notes = (*self.notes, *self.source.manifest.notes, *self.pretrained.manifest.notes)
        return Identity(
            technique=self.technique,
            fingerprint=self.fingerprint,
            labels=LABELS,
            max_length_tokens=self.source.manifest.max_length_tokens,
            notes=tuple(dict.fromkeys(notes)),
        )

    def encoded_splits(
        self, transfer: bool = False, tokenizer: Tokenizer | None = None
    ) -> tuple[EncodedSentences, EncodedSentences]:
        """Training (with `transfer`, and those after them) and validation sentences.

        They are tokenized as the source does it, or by `tokenizer`.
        """
        tokenizer = tokenizer or load_tokenizer(self.source)
        texts = self.training_texts(transfer)
        unlabelled = (UNLABELLED,) * (len(texts) - len(self.train))
        return (
            EncodedSentences(encode(tokenizer, texts), self.train.labels + unlabelled),
            EncodedSentences(encode(tokenizer, self.val.texts), self.val.labels),
        )

    def teacher_logits(self, teacher: Artifact, transfer: bool = False) -> Tensor:
        """Logits of `by` for what is `encoded`, (n, labels), on the device that trains."""
        return _logits(teacher.path, self.training_texts(transfer)).to(training_device())

    def training_texts(self, transfer: bool) -> tuple[str, ...]:
        return self.train.texts + (self.transfer if transfer else ())


@lru_cache(maxsize=2)
def _logits(path: Path, texts: tuple[str, ...]) -> Tensor:
    """What several variants of a study learn from, computed once."""
    artifact = read_artifact(path)
    return predict_logits(load_encoder(artifact), encode(load_tokenizer(artifact), texts))


class Technique(Protocol):
    """The shape of a technique module."""

    FAMILY: str
    FORMATS: tuple[str, ...]
    Config: type[Any]

    def resolve(self, config: Any, inputs: Inputs) -> Any: ...

    def compress(self, inputs: Inputs, config: Any, out: Path, callback: Callback) -> Artifact: ...


def technique_names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_technique(name: str) -> Technique:
    """Return the technique of that name; raise `UserError` if there is none."""
    known = technique_names()
    if name not in known:
        raise UserError(f"technique: unknown technique '{name}'; {nearest(name, known)}")
    return cast(Technique, importlib.import_module(f"{__name__}.{name}"))

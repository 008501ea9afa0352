"""Techniques: the compression methods, one module each. Adding a file here adds a technique.

A variant's YAML names a technique by its module's name, and its `config` is checked against the
module's `Config`. A technique is a module with the following names (see `Technique`):

* `FAMILY`: the verb of the command line that builds its variants: "teacher", "distill", "quantize"
  or "prune". For "quantize", the builder verifies that every linear layer runs in INT8.
* `FORMATS`: the artifact formats that it can write, such as "torch" or "onnx". A variant names a
  runtime, and the format that this runtime loads must be one of them.
* `SOURCE_FORMATS`, only if it is not applied to PyTorch models: the formats of its sources.
* `Config`: its settings, a class decorated by `fincompress.config.settings`: frozen, with a type
  and bounds for each field, which the class docstring explains. Fields, their order and their
  defaults are part of the fingerprint of every variant that is built with them. A field named
  `transfer` has a meaning to the builder: if it is true once resolved, the study's transfer set is
  part of the fingerprint too. A technique that learns from that set must have it. Likewise for a
  field named `held_out` and the texts that are held out from that set.
* `resolve(config, inputs) -> Config`: returns the settings with symbolic choices ("auto", "even", a
  limit above the budget) replaced by what they mean for these inputs, and raises `UserError` if a
  setting does not fit them. It trains nothing: it also runs when a build is only planned. What it
  returns is fingerprinted and logged.
* `compress(inputs, config, out, callback) -> Artifact`: the method. It gets resolved settings, and
  writes an artifact to the path `out`, which does not exist yet: by `save_encoder` for a PyTorch
  model, or by `export.save_model` for ONNX and OpenVINO. It must return the same artifact for the
  same inputs, raise `UserError` if the method does not succeed, and leave the source unchanged.

A technique gets all it may use as `Inputs`: artifacts, sentences, the training budget. There is
neither the test split nor a tracking client in it. It reports by the `callback`:

* `callback(epoch, metrics)` after each epoch, with epochs counted from 1 over the whole build;
  `training.loop.fit` makes these calls, and `callbacks.after_epochs` shifts the epochs of a second
  call of `fit`. In a tuning trial the callback may raise `StopTraining`, which a technique lets
  pass.
* `callback.show(name, figure)` for a `Chart` or a `Heatmap`, which is drawn and logged as `name`.
* `callback.record(name, facts)` for a mapping that JSON can hold, logged as `name`.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from tokenizers import Tokenizer
from torch import Tensor

from fincompress.artifact import Artifact
from fincompress.callbacks import Callback
from fincompress.config import UserError, nearest
from fincompress.data import Sentences, Splits
from fincompress.models.storage import TORCH_FORMAT, Identity
from fincompress.models.tokenization import encode, load_tokenizer
from fincompress.runtimes import load_runtime
from fincompress.training.answers import teacher_answers
from fincompress.training.batches import EncodedSentences
from fincompress.training.device import training_device
from fincompress.training.loop import Budget
from fincompress.training.losses import UNLABELLED


@dataclass(frozen=True)
class Inputs:
    """All that a technique may use.

    `sources`: the artifacts that it is made from, in the order of the variant's file; nearly always
    one, the `source`.
    `teacher`: the unpruned teacher at the root of the variant's tree; the source itself where that
    is a pretrained base, that is, where the teacher is built.
    `pretrained`: the study's pretrained base for students. It and the teacher are in PyTorch's
    format, and so are the sources, unless the technique says otherwise.
    `train`, `val`: labelled sentences. Validation is for early stopping and choices.
    `transfer`: further texts without labels, to be learned from by other models' answers.
    `held_out`: texts of the same kinds that no model learns from.
    `corpus`: all texts that have a label to learn from, even where `train` is only a part of them;
    they decide which vocabulary is kept.
    `notes`: licences and warnings of the data, which the artifact carries on.
    `budget`: the study's training budget. `seed`: of everything random.
    `technique`: the name of the technique. `runtime`: the one that will run the artifact.
    `fingerprint`: of the recipe; empty until it is known.
    `shape_only`: whether the weights are random, so that only speed and size mean something, and
    checks of quality must be skipped.
    """

    sources: tuple[Artifact, ...]
    teacher: Artifact
    pretrained: Artifact
    train: Sentences
    val: Sentences
    transfer: tuple[str, ...]
    held_out: tuple[str, ...]
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
        """Return inputs whose sentences and notes are those of `splits`, unless `rest` has them."""
        from_splits = {
            "corpus": splits.learned.texts,
            "transfer": splits.unlabelled,
            "held_out": splits.transfer.held_out,
            "notes": splits.notes,
        }
        return cls(train=splits.learned, val=splits.val, **(from_splits | rest))

    @property
    def source(self) -> Artifact:
        """The artifact that is compressed: the last of the sources."""
        return self.sources[-1]

    @property
    def format(self) -> str:
        """The format that the artifact must have for its runtime."""
        return load_runtime(self.runtime).FORMAT

    def identity(self) -> Identity:
        """Return what the artifact's manifest says of its making, for `save_encoder`."""
        of_sources = [note for source in self.sources for note in source.manifest.notes]
        notes = (*self.notes, *of_sources, *self.pretrained.manifest.notes)
        return Identity(
            technique=self.technique,
            fingerprint=self.fingerprint,
            labels=self.val.label_names,
            max_length_tokens=self.source.manifest.max_length_tokens,
            notes=tuple(dict.fromkeys(notes)),
        )

    def training_texts(self, transfer: bool) -> tuple[str, ...]:
        """Return the training texts, followed by those of the transfer set if `transfer`."""
        return self.train.texts + (self.transfer if transfer else ())

    def encoded_splits(
        self, transfer: bool = False, tokenizer: Tokenizer | None = None
    ) -> tuple[EncodedSentences, EncodedSentences]:
        """Return the training and the validation sentences as token ids, with labels.

        Those of the transfer set come after the training sentences if `transfer`, `UNLABELLED`.
        Without a `tokenizer`, the source's is used.
        """
        tokenizer = tokenizer or load_tokenizer(self.source)
        texts = self.training_texts(transfer)
        unlabelled = (UNLABELLED,) * (len(texts) - len(self.train))
        names = self.train.label_names
        return (
            EncodedSentences(encode(tokenizer, texts), self.train.labels + unlabelled, names),
            EncodedSentences(encode(tokenizer, self.val.texts), self.val.labels, names),
        )

    def teacher_logits(self, teacher: Artifact, transfer: bool = False) -> Tensor:
        """Return the logits of `teacher` for `training_texts(transfer)`, (n, labels).

        They are on the training device, in the order of the sentences of `encoded_splits`.
        """
        texts = self.training_texts(transfer)
        return teacher_answers(teacher.path, texts).to(training_device())


class Technique(Protocol):
    """What a technique's module defines; this package's docstring explains each name."""

    FAMILY: str
    FORMATS: tuple[str, ...]
    Config: type[Any]

    def resolve(self, config: Any, inputs: Inputs) -> Any:
        """Return `config` with symbolic choices replaced by what they mean for `inputs`."""

    def compress(self, inputs: Inputs, config: Any, out: Path, callback: Callback) -> Artifact:
        """Apply the technique to `inputs.source` and write the artifact to `out`."""


def technique_names() -> list[str]:
    """Return the names of all techniques, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def source_formats(name: str) -> tuple[str, ...]:
    """Return the formats of artifact that the technique `name` can be applied to."""
    formats: tuple[str, ...] = getattr(load_technique(name), "SOURCE_FORMATS", (TORCH_FORMAT,))
    return formats


def load_technique(name: str) -> Technique:
    """Return the module of the technique `name`; raise `UserError` if there is none."""
    known = technique_names()
    if name not in known:
        raise UserError(f"technique: unknown technique '{name}'; {nearest(name, known)}")
    return cast(Technique, importlib.import_module(f"{__name__}.{name}"))

"""Cascade: a cheap model answers each text, and hands those it is unsure of to a sure model.

An artifact of the format `cascade` holds the artifacts of both, in the folders `cheap` and `sure`,
and the threshold between them. Each runs in the fastest engine for it on this CPU (`auto`).

How much is handed over depends on the texts, and so does the speed. It grows when they change in
kind, and nothing else shows that: so a loaded cascade counts, and writes to its log what share it
hands over, and a warning when that is far above the share that is normal for it.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from fincompress.artifact import Artifact, Products, read_artifact
from fincompress.config import parse, settings
from fincompress.models.probabilities import class_probabilities
from fincompress.runtimes import FP32, Classifier, load_runtime

FORMAT = "cascade"
REQUIREMENTS = ("onnxruntime", "openvino")
STAGE_RUNTIME = "auto"  # of both models
CHEAP, SURE = "cheap", "sure"  # folders, and in messages the models
SETTINGS = "cascade.json"
REPORT_TEXTS = 1000  # after so many, the share that was handed over is written to the log
MANY_TIMES = 1.5  # a share so many times the normal one is warned of

_log = logging.getLogger(__name__)


@settings
class CascadeSettings:
    """What a cascade has besides its two models.

    `threshold`: texts are handed over unless the cheap model's highest probability is above it.
    `normal_share`: the share of texts that is handed over of text like that which chose the
    threshold.
    """

    threshold: float
    normal_share: float


@dataclass
class HandedOver:
    """How many texts a cascade has answered since it was loaded, and how many it handed over.

    `normal_share`: the share that is normal. `texts`, `handed_over`: the counts since loading.
    Calls from several threads are counted one after the other.
    """

    normal_share: float
    texts: int = 0
    handed_over: int = 0
    _reported: tuple[int, int] = (0, 0)  # the counts at the last report
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, texts: int, handed_over: int) -> None:
        """Count the texts of one call, and report every `REPORT_TEXTS` of them to the log."""
        with self._lock:
            self.texts += texts
            self.handed_over += handed_over
            new = self.texts - self._reported[0]
            if new < REPORT_TEXTS:
                return
            share = (self.handed_over - self._reported[1]) / new
            self._reported = self.texts, self.handed_over
        said = f"handed over {share:.1%} of the last {new} texts; normal is {self.normal_share:.1%}"
        if share > MANY_TIMES * self.normal_share:
            _log.warning("%s: they differ from those it was made for, and it is slower", said)
        else:
            _log.info("%s", said)


@dataclass(frozen=True)
class Cascade:
    """Two loaded models and the threshold between them: a `Predictor`.

    `cheap`, `sure`: the models. `threshold`: see `CascadeSettings`. `counts`: what it has answered.
    `engine`: this runtime's name. `precision`: FP32; each model has its own.
    """

    cheap: Classifier
    sure: Classifier
    threshold: float
    counts: HandedOver
    engine: str = "cascade"
    precision: str = FP32

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        logits = self.cheap(texts)  # (n, labels)
        rows = np.flatnonzero(self._is_unsure(logits))
        if len(rows):
            logits[rows] = self.sure([texts[int(row)] for row in rows])
        self.counts.add(len(texts), len(rows))
        return logits

    def hands_over(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Return which texts are handed to the sure model, (n,); they are not counted."""
        return self._is_unsure(self.cheap(texts))

    def _is_unsure(self, logits: NDArray[np.float32]) -> NDArray[np.bool_]:
        unsure: NDArray[np.bool_] = confidence(logits) <= self.threshold
        return unsure

    @property
    def texts_cut(self) -> int:
        return self.cheap.texts_cut  # which reads every text

    @property
    def texts_handed_over(self) -> int:
        return self.counts.handed_over

    @property
    def normal_share(self) -> float | None:
        return self.counts.normal_share

    @property
    def way(self) -> str:
        """The engines of both models, as shown."""
        return f"{self.cheap.way}, then {self.sure.way}"


def confidence(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the highest probability of each row of logits, (n, labels), as (n,)."""
    highest: NDArray[np.float64] = class_probabilities(logits).max(axis=1)
    return highest


def load(artifact: Artifact, threads: int) -> Cascade:
    """Load both models for `threads` CPU threads; raise `UserError` for another format."""
    artifact.require_format(FORMAT)
    file = artifact.path / SETTINGS
    read = parse(CascadeSettings, json.loads(file.read_text(encoding="utf-8")), str(file))
    stage_runtime = load_runtime(STAGE_RUNTIME)
    cheap, sure = (stage_runtime.load(stage, threads) for stage in stages(artifact))
    return Cascade(cheap, sure, read.threshold, HandedOver(read.normal_share))


def precisions() -> tuple[str, ...]:
    """Return FP32: each model has its own precision, which its engine's measurement decides."""
    return (FP32,)


def count_products(artifact: Artifact) -> Products:
    """Count the products with weights of both models, each in the engine that runs it here."""
    counts = [load_runtime(STAGE_RUNTIME).count_products(stage) for stage in stages(artifact)]
    return Products(int8=sum(c.int8 for c in counts), total=sum(c.total for c in counts))


def stages(artifact: Artifact) -> tuple[Artifact, Artifact]:
    """Return the cheap and the sure model of a cascade, whose files are checked."""
    return read_artifact(artifact.path / CHEAP), read_artifact(artifact.path / SURE)


def write_settings(folder: Path, threshold: float, normal_share: float) -> None:
    """Write the `CascadeSettings` into the folder of a cascade."""
    text = json.dumps({"threshold": threshold, "normal_share": normal_share}, indent=1)
    (folder / SETTINGS).write_text(text + "\n", encoding="utf-8")

"""A training set becomes the time that an epoch takes: in our loop, and in `Trainer`'s."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from fincompress.callbacks import Chart, Heatmap
from fincompress.techniques import Inputs, finetune, finetune_trainer
from fincompress.training.loop import Budget


@dataclass(frozen=True)
class Seconds:
    """A report that keeps the time of each epoch's training and no more."""

    epochs: list[float] = field(default_factory=list)

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        self.epochs.append(metrics["train/epoch_seconds"])

    def show(self, name: str, figure: Chart | Heatmap) -> None: ...

    def record(self, name: str, facts: Mapping[str, object]) -> None: ...


def epoch_seconds(inputs: Inputs, *, batch_size: int, epochs_each: int = 2) -> tuple[float, float]:
    """Return the median seconds of an epoch of `finetune` and of one of `finetune_trainer`.

    Both start from the source's weights every time and see the same sentences in batches of the
    same size. They take turns; validation is not part of the time. Nothing is kept.
    """
    alone = replace(inputs, budget=Budget(epochs=1, patience=1, batch_size=batch_size))
    theirs = finetune_trainer.Config(epochs=1, batch_size=batch_size)
    turns: list[tuple[Any, Any, Seconds]] = [
        (finetune, finetune.Config(), Seconds()),
        (finetune_trainer, theirs, Seconds()),
    ]
    with TemporaryDirectory(prefix="fincompress-") as scratch:
        for turn in range(epochs_each):
            for technique, config, seconds in turns:
                out = Path(scratch) / f"{technique.__name__}-{turn}"
                technique.compress(alone, config, out, seconds)
    ours, trainers = (median(seconds.epochs) for _, _, seconds in turns)
    return ours, trainers

"""Timing of training epochs: several recipes side by side, in turns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from fincompress.build import Recipe
from fincompress.callbacks import Chart, Heatmap


@dataclass(frozen=True)
class EpochTimes:
    """A callback that keeps the training time of each epoch, in s, in `epochs`, and no more."""

    epochs: list[float] = field(default_factory=list)

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        self.epochs.append(metrics["train/epoch_seconds"])

    def show(self, name: str, figure: Chart | Heatmap) -> None: ...

    def record(self, name: str, facts: Mapping[str, object]) -> None: ...


def epoch_seconds(recipes: Sequence[Recipe], turns: int = 2) -> list[float]:
    """Return the median seconds of an epoch of each recipe, without validation.

    Each turn runs all recipes, of one epoch each, from their sources' weights. What they build is
    thrown away.
    """
    times = [EpochTimes() for _ in recipes]
    with TemporaryDirectory(prefix="fincompress-") as scratch:
        for turn in range(turns):
            for index, (recipe, callback) in enumerate(zip(recipes, times, strict=True)):
                out = Path(scratch) / f"{index}-{turn}"
                recipe.technique.compress(recipe.inputs, recipe.config, out, callback)
    return [median(each.epochs) for each in times]

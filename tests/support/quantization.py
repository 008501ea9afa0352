"""Inputs of quantizing techniques."""

from fincompress.artifact import Artifact
from fincompress.data import Splits
from fincompress.techniques import Inputs
from fincompress.training.loop import Budget


def inputs(splits: Splits, source: Artifact, technique: str, runtime: str) -> Inputs:
    return Inputs.of(
        splits, sources=(source,), teacher=source, pretrained=source, seed=1,
        budget=Budget(epochs=1, patience=1, batch_size=16), technique=technique, runtime=runtime,
    )  # fmt: skip

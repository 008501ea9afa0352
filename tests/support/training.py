"""A tiny encoder and sentences that it learns in a few steps."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fincompress.artifact import LayerLayout, Layout
from fincompress.models.encoder import Encoder
from fincompress.training.batches import Batch, EncodedSentences
from fincompress.training.loop import Budget, Objective, Optimizer, fit

LAYOUT = Layout(
    vocabulary=30,
    positions=12,
    width=8,
    head_width=4,
    layers=(LayerLayout(heads=2, ffn=16), LayerLayout(heads=1, ffn=8)),
    labels=3,
)
FAST = Optimizer(learning_rate=0.01, warmup_share=0.0, averaging=0.0)
Epochs = list[dict[str, float]]


def sentences(n: int, shift: int = 0) -> EncodedSentences:
    """The second token tells the class; lengths from 3 to 7."""
    labels = tuple((i + shift) % 3 for i in range(n))
    return EncodedSentences(
        [[2, 5 + c] + [9 + i % 7] * (i % 5) + [3] for i, c in enumerate(labels)], labels
    )


TRAIN, VAL = sentences(36), sentences(18, shift=1)


def encoder() -> Encoder:
    """Its weights are large, so that it learns in a few steps."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Encoder(LAYOUT)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.4)
    return model


def nothing(model: Encoder) -> Objective:
    """A loss of which every parameter has gradient zero."""

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        return {"loss": 0 * torch.cat([p.flatten() for p in model.parameters()]).sum()}

    return objective


def train(
    model: Encoder,
    objective: Objective,
    *,
    epochs: int = 4,
    patience: int = 99,
    batch_size: int = 8,
    optimizer: Optimizer = FAST,
    seed: int = 0,
    data: EncodedSentences = TRAIN,
    extra_parameters: tuple[nn.Parameter, ...] = (),
    transfer_per_epoch: int | None = None,
    keep_last: bool = False,
) -> tuple[dict[str, float], Epochs]:
    """Return what `fit` returns and what it reported."""
    reported: Epochs = []

    def report(epoch: int, values: Mapping[str, float]) -> None:
        assert epoch == len(reported) + 1
        reported.append(dict(values))

    budget = Budget(
        epochs=epochs,
        patience=patience,
        batch_size=batch_size,
        transfer_per_epoch=transfer_per_epoch,
    )
    best = fit(
        model,
        objective,
        data,
        VAL,
        budget=budget,
        optimizer=optimizer,
        seed=seed,
        callback=report,
        extra_parameters=extra_parameters,
        keep_last=keep_last,
    )
    return best, reported

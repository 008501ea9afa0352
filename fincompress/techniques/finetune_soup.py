"""Model soup: several models are fine-tuned from one base, and the mean of their weights is kept.

Objective of each member, where the labels are smoothed:

    loss = cross-entropy(logits, (1 - label_smoothing) labels + label_smoothing / number of labels)

All members begin with the same weights, and differ in the order of the sentences and in the origins
that they learn from. A member that leaves out a large source of another kind keeps what the others
forget; their mean has most of what each of them can do, and costs no more than one of them. The
mean is uniform, over each member's best epoch by validation macro-F1.

Wortsman et al. (2022), "Model soups: averaging weights of multiple fine-tuned models improves
accuracy without increasing inference time". Szegedy et al. (2016), "Rethinking the Inception
Architecture for Computer Vision", section 7, for smoothed labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from fincompress.artifact import Artifact
from fincompress.callbacks import Callback, Step, after_epochs
from fincompress.config import UserError, settings
from fincompress.models.encoder import Encoder
from fincompress.models.storage import TORCH_FORMAT, load_encoder, save_encoder
from fincompress.models.tokenization import load_tokenizer
from fincompress.techniques import Inputs
from fincompress.training.batches import Batch
from fincompress.training.loop import Optimizer, fit, validation_scores
from fincompress.training.losses import hard_loss

FAMILY = "teacher"
FORMATS = (TORCH_FORMAT,)


@settings
class Config:
    """Settings of a model soup.

    `members`: for each member, the origins of training sentences that it leaves out; a list that is
    empty leaves out none. Origins that the study does not have are ignored.
    `label_smoothing`: the share of each label's probability that is spread over all labels.
    `optimizer`: learning rate, weight decay and the like; see `training.loop.Optimizer`.
    """

    members: Annotated[tuple[tuple[str, ...], ...], Field(min_length=1)] = ((), ())
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    optimizer: Optimizer = Optimizer(learning_rate=1e-4)


def resolve(config: Config, inputs: Inputs) -> Config:
    """Return `config` with only those origins left out that there are.

    Raises `UserError` if a member is left without sentences.
    """
    known = set(inputs.train.origins)
    members = tuple(tuple(o for o in origins if o in known) for origins in config.members)
    for number, origins in enumerate(members):
        if known == set(origins):
            raise UserError(
                f"members.{number}: leaves out {', '.join(origins)}, and no sentence is left"
            )
    return replace(config, members=members)


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    """Fine-tune the members from the source, and average their weights."""
    states = []
    for number, left_out in enumerate(config.members):
        kept = set(inputs.train.origins) - set(left_out)
        own = replace(inputs, train=inputs.train.of_origins(kept), seed=inputs.seed + number)
        steps = after_epochs(number * inputs.budget.epochs, callback)
        states.append(_fine_tune(own, config, steps).state_dict())
    model = load_encoder(inputs.source)
    model.load_state_dict(_mean(states))
    _, val = inputs.encoded_splits()
    scores = validation_scores(model, val)
    return save_encoder(out, model, load_tokenizer(inputs.source), inputs.identity(), scores)


def _fine_tune(inputs: Inputs, config: Config, callback: Step) -> Encoder:
    """The model of one member."""
    model = load_encoder(inputs.source)
    train, val = inputs.encoded_splits()

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        logits = model(batch.ids, batch.mask)  # (n, labels)
        return {"loss": hard_loss(logits, batch.labels, config.label_smoothing)}

    fit(
        model,
        objective,
        train,
        val,
        budget=inputs.budget,
        optimizer=config.optimizer,
        seed=inputs.seed,
        callback=callback,
    )
    return model.cpu()


def _mean(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each weight over models of one shape."""
    return {name: torch.stack([s[name] for s in states]).mean(dim=0) for name in states[0]}

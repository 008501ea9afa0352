"""Self-training: a first round of models answers unlabelled sentences, and a last one learns both.

Objective of each model, over labelled sentences and, for the last one, those of the transfer set:

    loss = cross-entropy(logits, (1 - label_smoothing) targets + label_smoothing / number of labels)

The target of a labelled sentence is its label. That of a transfer sentence is the mean answer of
the first round, whose models learn from labelled sentences alone. All models begin with the same
weights, and differ in the order of the sentences and in the origins that they learn from.

A model of the first round that leaves out a large source of another kind answers as models do that
have never seen it. Learning its answers keeps the last model from forgetting what such models know.

Xie et al. (2020), "Self-training with Noisy Student improves ImageNet classification". Li and Hoiem
(2016), "Learning without Forgetting". Szegedy et al. (2016), "Rethinking the Inception Architecture
for Computer Vision", section 7, for smoothed labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from fincompress.artifact import Artifact
from fincompress.callbacks import Callback, Step, after_epochs
from fincompress.config import Positive, UserError, settings
from fincompress.models.encoder import Encoder
from fincompress.models.storage import TORCH_FORMAT, load_encoder, save_encoder
from fincompress.models.tokenization import encode, load_tokenizer
from fincompress.techniques import Inputs
from fincompress.training.batches import Batch, predict_logits
from fincompress.training.device import training_device
from fincompress.training.loop import Optimizer, fit
from fincompress.training.losses import target_loss

FAMILY = "teacher"
FORMATS = (TORCH_FORMAT,)

LeftOut = tuple[str, ...]  # origins of sentences


@settings
class Config:
    """Settings of self-training.

    `first_round`: for each model that answers the transfer set, the origins of labelled sentences
    that it leaves out; a list that is empty leaves out none. Origins that the study does not have
    are ignored. `transfer`: whether the study's transfer set, which has no labels, is learned from;
    if not, or if there is none, there is no first round. `transfer_sentences`: at most so many of
    the transfer set are answered and learned from, spread evenly over it; None for all.
    `label_smoothing`: the share of each target's probability that is spread over all labels.
    `optimizer`: learning rate, weight decay and the like; see `training.loop.Optimizer`.
    """

    first_round: tuple[LeftOut, ...] = ((), ())
    transfer: bool = True
    transfer_sentences: Positive | None = None
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    optimizer: Optimizer = Optimizer(learning_rate=1e-4)


def resolve(config: Config, inputs: Inputs) -> Config:
    """Return `config` with only those origins left out that there are, and transfer resolved.

    Raises `UserError` if a model of the first round is left without sentences, and for a transfer
    set that nothing would answer.
    """
    if config.transfer and not config.first_round:
        raise UserError("first_round: needs a model, or nothing answers the transfer set")
    if not (config.transfer and inputs.transfer):
        return replace(config, first_round=(), transfer=False, transfer_sentences=None)
    known = set(inputs.train.origins)
    kept = tuple(tuple(o for o in origins if o in known) for origins in config.first_round)
    for number, origins in enumerate(kept):
        if known == set(origins):
            raise UserError(
                f"first_round.{number}: leaves out {', '.join(origins)}, and no sentence is left"
            )
    limit = config.transfer_sentences
    fewer = limit is not None and limit < len(inputs.transfer)
    return replace(config, first_round=kept, transfer_sentences=limit if fewer else None)


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    """Fine-tune the first round, if any, let it answer the transfer set, and fine-tune the last."""
    inputs = replace(inputs, transfer=_spread(inputs.transfer, config.transfer_sentences))
    models: list[Encoder] = []
    for number, left_out in enumerate(config.first_round):
        kept = set(inputs.train.origins) - set(left_out)
        own = replace(inputs, train=inputs.train.of_origins(kept), seed=_seed(inputs, number))
        steps = after_epochs(number * inputs.budget.epochs, callback)
        models.append(_fine_tune(own, config, None, steps)[0])
    answers = _mean_answers(models, inputs) if models else None
    last = replace(inputs, seed=_seed(inputs, len(config.first_round)))
    steps = after_epochs(len(config.first_round) * inputs.budget.epochs, callback)
    model, scores = _fine_tune(last, config, answers, steps)
    return save_encoder(out, model, load_tokenizer(inputs.source), inputs.identity(), scores)


def _spread(texts: tuple[str, ...], limit: int | None) -> tuple[str, ...]:
    """So many of `texts`: one, drawn at random, of each of so many stretches of equal length.

    Every tenth text could be of the same file, as files take turns in a transfer set.
    """
    if limit is None:
        return texts
    edges = np.arange(limit + 1) * len(texts) // limit
    rows = np.random.default_rng(0).integers(edges[:-1], edges[1:])
    return tuple(texts[row] for row in rows)


def _seed(inputs: Inputs, number: int) -> int:
    """The seed of one of the models: a sum would be a seed of a neighbouring study seed, too."""
    return int(np.random.SeedSequence([inputs.seed, number]).generate_state(1)[0])


def _fine_tune(
    inputs: Inputs, config: Config, answers: Tensor | None, callback: Step
) -> tuple[Encoder, dict[str, float]]:
    """A model of the labelled sentences, and of the transfer set if it has `answers`."""
    model = load_encoder(inputs.source)
    train, val = inputs.encoded_splits(transfer=answers is not None)
    labels = F.one_hot(torch.tensor(inputs.train.labels), model.layout.labels).float()
    targets = labels if answers is None else torch.cat([labels, answers])  # (n, labels)
    even = torch.full_like(targets, 1 / model.layout.labels)
    targets = torch.lerp(targets, even, config.label_smoothing).to(training_device())

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        return {"loss": target_loss(model(batch.ids, batch.mask), targets[batch.rows])}

    scores = fit(
        model,
        objective,
        train,
        val,
        budget=inputs.budget,
        optimizer=config.optimizer,
        seed=inputs.seed,
        callback=callback,
    )
    return model.cpu(), scores


def _mean_answers(models: Sequence[Encoder], inputs: Inputs) -> Tensor:
    """The mean probabilities that models give to the labels of the transfer set, (n, labels)."""
    ids = encode(load_tokenizer(inputs.source), inputs.transfer)
    answers = [
        predict_logits(model, ids, f"answers of model {number}").softmax(dim=-1)
        for number, model in enumerate(models, start=1)
    ]
    return torch.stack(answers).mean(dim=0)

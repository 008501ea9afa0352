"""Model soup: several models are fine-tuned from one base, and the mean of their weights is kept.

Objective of each member, over labelled sentences and, if wanted, those of the transfer set:

    loss = cross-entropy(logits, (1 - label_smoothing) targets + label_smoothing / number of labels)

The target of a labelled sentence is its label. That of a transfer sentence is the mean answer of a
first round of models, which learn from labelled sentences alone (self-training).

All members begin with the same weights, and differ in the order of the sentences and in the origins
that they learn from. Their mean has most of what each of them can do, and costs no more than one of
them. A first round that leaves out a large source of another kind answers as models do that have
never seen it; learning its answers keeps the members from forgetting what such models know.

Wortsman et al. (2022), "Model soups: averaging weights of multiple fine-tuned models improves
accuracy without increasing inference time". Li and Hoiem (2016), "Learning without Forgetting". Xie
et al. (2020), "Self-training with Noisy Student improves ImageNet classification". Szegedy et al.
(2016), "Rethinking the Inception Architecture for Computer Vision", section 7, for smoothed labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from fincompress.artifact import Artifact
from fincompress.callbacks import Callback, Step, after_epochs
from fincompress.config import UserError, settings
from fincompress.models.encoder import Encoder
from fincompress.models.storage import TORCH_FORMAT, load_encoder, save_encoder
from fincompress.models.tokenization import encode, load_tokenizer
from fincompress.techniques import Inputs
from fincompress.training.batches import Batch, predict_logits
from fincompress.training.device import training_device
from fincompress.training.loop import Optimizer, fit, validation_scores
from fincompress.training.losses import target_loss

FAMILY = "teacher"
FORMATS = (TORCH_FORMAT,)

LeftOut = tuple[str, ...]  # origins of sentences


@settings
class Config:
    """Settings of a model soup.

    `members`: for each member, the origins of labelled sentences that it leaves out; a list that is
    empty leaves out none. Origins that the study does not have are ignored.
    `first_round`: the same for each model that answers the transfer set.
    `transfer`: whether the study's transfer set, which has no labels, is learned from too, by the
    answers of the first round.
    `label_smoothing`: the share of each target's probability that is spread over all labels.
    `optimizer`: learning rate, weight decay and the like; see `training.loop.Optimizer`.
    """

    members: Annotated[tuple[LeftOut, ...], Field(min_length=1)] = ((), ())
    first_round: tuple[LeftOut, ...] = ()
    transfer: bool = False
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    optimizer: Optimizer = Optimizer(learning_rate=1e-4)


def resolve(config: Config, inputs: Inputs) -> Config:
    """Return `config` with only those origins left out that there are, and transfer resolved.

    Raises `UserError` if a model is left without sentences, and for a transfer set that nothing
    would answer.
    """
    if config.transfer and not config.first_round:
        raise UserError("first_round: needs a model, or nothing answers the transfer set")
    known = set(inputs.train.origins)

    def existing(key: str, models: tuple[LeftOut, ...]) -> tuple[LeftOut, ...]:
        kept = tuple(tuple(o for o in origins if o in known) for origins in models)
        for number, origins in enumerate(kept):
            if known == set(origins):
                raise UserError(
                    f"{key}.{number}: leaves out {', '.join(origins)}, and no sentence is left"
                )
        return kept

    transfer = config.transfer and bool(inputs.transfer)
    return replace(
        config,
        members=existing("members", config.members),
        first_round=existing("first_round", config.first_round) if transfer else (),
        transfer=transfer,
    )


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    """Fine-tune the first round, if any, then the members, and average the members' weights."""
    models: list[Encoder] = []
    answers = None
    for number, left_out in enumerate((*config.first_round, *config.members)):
        if number == len(config.first_round) > 0:
            answers = _mean_answers(models, inputs)  # (transfer, labels)
        kept = set(inputs.train.origins) - set(left_out)
        own = replace(inputs, train=inputs.train.of_origins(kept), seed=inputs.seed + number)
        steps = after_epochs(number * inputs.budget.epochs, callback)
        models.append(_fine_tune(own, config, answers, steps))
    soup = load_encoder(inputs.source)
    soup.load_state_dict(_mean([m.state_dict() for m in models[len(config.first_round) :]]))
    _, val = inputs.encoded_splits()
    scores = validation_scores(soup, val)
    return save_encoder(out, soup, load_tokenizer(inputs.source), inputs.identity(), scores)


def _fine_tune(inputs: Inputs, config: Config, answers: Tensor | None, callback: Step) -> Encoder:
    """A model of the labelled sentences, and of the transfer set if it has `answers`."""
    model = load_encoder(inputs.source)
    train, val = inputs.encoded_splits(transfer=answers is not None)
    labels = F.one_hot(torch.tensor(inputs.train.labels), model.layout.labels).float()
    targets = labels if answers is None else torch.cat([labels, answers])  # (n, labels)
    even = torch.full_like(targets, 1 / model.layout.labels)
    targets = torch.lerp(targets, even, config.label_smoothing).to(training_device())

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        return {"loss": target_loss(model(batch.ids, batch.mask), targets[batch.rows])}

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


def _mean_answers(models: Sequence[Encoder], inputs: Inputs) -> Tensor:
    """The mean probabilities that models give to the labels of the transfer set, (n, labels)."""
    ids = encode(load_tokenizer(inputs.source), inputs.transfer)
    answers = [predict_logits(model, ids).softmax(dim=-1) for model in models]
    return torch.stack(answers).mean(dim=0)


def _mean(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each weight over models of one shape."""
    return {name: torch.stack([s[name] for s in states]).mean(dim=0) for name in states[0]}

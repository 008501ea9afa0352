"""Training loop: AdamW, early stopping on validation macro-F1, and averaged weights.

Techniques share this loop and differ in the objective that they give it.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from fincompress.callbacks import Step
from fincompress.config import Positive, UserError, settings
from fincompress.evaluation.metrics import classification_scores
from fincompress.evaluation.results import VAL_F1
from fincompress.models.conv_encoder import TextEncoder
from fincompress.training.batches import (
    Batch,
    EncodedSentences,
    make_batch,
    predict_logits,
    shuffled_batches,
)
from fincompress.training.device import training_autocast, training_device


@settings
class Budget:
    """The training budget, which a study sets and all of its variants share.

    `epochs`: at most so many passes over the training set.
    `patience`: training stops after so many epochs without a better validation macro-F1.
    `batch_size`: sentences in a batch.
    `transfer_per_epoch`: at most so many of the sentences without a label are drawn in an epoch,
    anew and at random in each; None for all. Labelled sentences are all in each epoch.
    """

    epochs: Annotated[int, Field(ge=1)]
    patience: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)] = 32
    transfer_per_epoch: Positive | None = None


@settings
class Optimizer:
    """AdamW with a linear warm-up and decay of its learning rate.

    `learning_rate`: the highest, reached at the end of the warm-up.
    `weight_decay`: of matrices only; biases and normalization weights do not decay.
    `warmup_share`: the share of all steps in which the learning rate rises from 0.
    `max_grad_norm`: gradients with a larger norm are scaled down to this one.
    `averaging`: the share that an exponential moving average of the weights keeps at each step. The
    average is what is validated and returned; 0 turns it off. Polyak and Juditsky (1992),
    "Acceleration of Stochastic Approximation by Averaging".
    """

    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 5e-5
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.01
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.1
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    averaging: Annotated[float, Field(ge=0, lt=1)] = 0.97


# Maps a batch to named scalar losses. The one called "loss" is minimized, the others are logged.
Objective = Callable[[Batch], Mapping[str, Tensor]]


def fit(
    model: TextEncoder,
    objective: Objective,
    train: EncodedSentences,
    val: EncodedSentences,
    *,
    budget: Budget,
    optimizer: Optimizer,
    seed: int,
    callback: Step,
    extra_parameters: Sequence[nn.Parameter] = (),
    keep_last: bool = False,
) -> dict[str, float]:
    """Train `model` in place, leave it with the weights of its best epoch, and return its scores.

    The best epoch has the highest macro-F1 on `val`; where weights are averaged, it is the average
    that is validated and kept. With `keep_last` it is the last: where epochs differ by less than
    validation can tell, the best would be found by chance, and the last has learned the most.
    `extra_parameters` are trained along with the model's and then left. `seed` decides which
    sentences an epoch draws, batches and dropout.

    After each epoch, `callback` gets its number from 1 and its metrics: the mean of each loss as
    `train/<name>`, the scores as `val/<name>`, and `train/epoch_seconds`, without validation.
    Returned are the best epoch's `val/<name>`, and `best_epoch`. Raises `UserError` if the loss is
    no longer finite.
    """
    model.to(training_device())
    parameters = [*model.parameters(), *extra_parameters]
    adamw = torch.optim.AdamW(
        _parameter_groups(parameters, optimizer.weight_decay),
        lr=optimizer.learning_rate,
        fused=True,
    )
    in_an_epoch = train.count_drawn(budget.transfer_per_epoch)
    steps = budget.epochs * math.ceil(in_an_epoch / budget.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        adamw, _warmup_then_decay(steps, optimizer.warmup_share)
    )
    average = _moving_average(model, optimizer.averaging)
    validated = cast(TextEncoder, average.module) if average else model

    def take_step(batch: Batch, epoch: int) -> dict[str, float]:
        """Update the weights once, and return the losses of the batch."""
        with training_autocast():
            losses = objective(batch)
        if not torch.isfinite(losses["loss"]):
            raise UserError(
                f"training: the loss became {losses['loss'].item()} in epoch {epoch}; "
                f"lower optimizer.learning_rate, now {optimizer.learning_rate}"
            )
        adamw.zero_grad()
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, optimizer.max_grad_norm)
        adamw.step()
        schedule.step()
        if average:
            average.update_parameters(model)
        return {name: loss.item() for name, loss in losses.items()}

    shuffler = torch.Generator().manual_seed(seed)
    best: dict[str, float] = {}
    best_state: dict[str, Tensor] = {}
    best_epoch = 0
    progress = tqdm(total=steps, unit="batch", disable=None, leave=False)
    with torch.random.fork_rng(), progress:
        torch.manual_seed(seed)
        for epoch in range(1, budget.epochs + 1):
            model.train()
            sums: dict[str, float] = {}
            begun = time.perf_counter()
            for rows in _epoch_batches(train, budget, shuffler):
                for name, loss in take_step(make_batch(train, rows), epoch).items():
                    sums[name] = sums.get(name, 0.0) + loss * len(rows)
                progress.update()
            seconds = time.perf_counter() - begun
            scores = validation_scores(validated, val)
            means = {f"train/{name}": total / in_an_epoch for name, total in sums.items()}
            callback(epoch, means | scores | {"train/epoch_seconds": seconds})
            if keep_last or not best or scores[VAL_F1] > best[VAL_F1]:
                best, best_epoch, best_state = scores, epoch, deepcopy(validated.state_dict())
            elif epoch - best_epoch >= budget.patience:
                break
    model.load_state_dict(best_state)
    model.eval()
    return best | {"best_epoch": best_epoch}


def validation_scores(model: TextEncoder, val: EncodedSentences) -> dict[str, float]:
    """Return the scores of `model` on `val`, each as `val/<name>`."""
    predicted = predict_logits(model, val.ids).argmax(1)  # (n,)
    scores = classification_scores(val.labels, predicted, val.label_names)
    return {f"val/{name}": score for name, score in scores.items()}


def _epoch_batches(
    train: EncodedSentences, budget: Budget, shuffler: torch.Generator
) -> list[list[int]]:
    """The batches of one epoch, as indices of the sentences that are drawn from `train`."""
    drawn = train.draw(budget.transfer_per_epoch, shuffler)
    batches = shuffled_batches([train.ids[row] for row in drawn], budget.batch_size, shuffler)
    return [[drawn[place] for place in batch] for batch in batches]


def _moving_average(model: TextEncoder, share: float) -> AveragedModel | None:
    """A model that averages the weights of `model`, keeping `share` at each step; None for 0."""
    if share == 0:
        return None
    rule = get_ema_multi_avg_fn(share)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=rule)


def _parameter_groups(
    parameters: Sequence[nn.Parameter], weight_decay: float
) -> list[dict[str, object]]:
    # Biases and normalization weights have one dimension, and decay only hurts them.
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]


def _warmup_then_decay(steps: int, warmup_share: float) -> Callable[[int], float]:
    """The factor of the learning rate at each of `steps`: rises from 0 to 1, then falls to 0."""
    warmup = warmup_share * steps

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return (steps - step) / max(1.0, steps - warmup)

    return factor

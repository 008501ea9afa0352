"""A model, an objective and sentences become the model at its best epoch: the one loop."""

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
from fincompress.config import UserError, settings
from fincompress.evaluation.metrics import classification_scores
from fincompress.models.encoder import Encoder
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
    """The training every variant of a study gets; early stopping looks at validation macro-F1."""

    epochs: Annotated[int, Field(ge=1)]
    patience: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)] = 32


@settings
class Optimizer:
    """AdamW with linear warm-up and decay, and clipping of the gradient's norm.

    `averaging` is the share that a moving average of the weights keeps at each step, and the
    average is what is scored and kept; 0 is none. Polyak and Juditsky (1992), "Acceleration of
    Stochastic Approximation by Averaging".
    """

    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 5e-5
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.01
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.1
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    averaging: Annotated[float, Field(ge=0, lt=1)] = 0.97


# Named losses of a batch; "loss" is the one that is minimised.
Objective = Callable[[Batch], Mapping[str, Tensor]]


def fit(
    model: Encoder,
    objective: Objective,
    train: EncodedSentences,
    val: EncodedSentences,
    *,
    budget: Budget,
    optimizer: Optimizer,
    seed: int,
    callback: Step,
    extra_parameters: Sequence[nn.Parameter] = (),
) -> dict[str, float]:
    """Train `model` (and `extra_parameters`) in place and leave it at its best epoch.

    Where weights are averaged, that is the best average.

    `callback` gets the mean losses and the validation scores of each epoch, and the seconds of its
    batches alone. Returns the validation scores of the best one. Raises `UserError` if the loss
    stops being finite.
    """
    model.to(training_device())
    trained = [*model.parameters(), *extra_parameters]
    adamw = torch.optim.AdamW(
        _groups(model, extra_parameters, optimizer), lr=optimizer.learning_rate, fused=True
    )
    steps_per_epoch = math.ceil(len(train.ids) / budget.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        adamw, _warmup_then_decay(budget.epochs * steps_per_epoch, optimizer.warmup_share)
    )
    average = _moving_average(model, optimizer.averaging)
    scored = cast(Encoder, average.module) if average else model
    shuffler = torch.Generator().manual_seed(seed)
    best: dict[str, float] = {}
    best_state: dict[str, Tensor] = {}
    best_epoch = 0
    with (
        torch.random.fork_rng(),
        tqdm(total=budget.epochs * steps_per_epoch, unit="batch", disable=None, leave=False) as bar,
    ):
        torch.manual_seed(seed)
        for epoch in range(1, budget.epochs + 1):
            model.train()
            sums: dict[str, float] = {}
            begun = time.perf_counter()
            for rows in shuffled_batches(train.ids, budget.batch_size, shuffler):
                with training_autocast():
                    losses = objective(make_batch(train, rows))
                if not torch.isfinite(losses["loss"]):
                    raise UserError(
                        f"training: the loss became {losses['loss'].item()} in epoch {epoch}; "
                        f"lower optimizer.learning_rate, now {optimizer.learning_rate}"
                    )
                adamw.zero_grad()
                losses["loss"].backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(trained, optimizer.max_grad_norm)
                adamw.step()
                schedule.step()
                if average:
                    average.update_parameters(model)
                for name, loss in losses.items():
                    sums[name] = sums.get(name, 0.0) + loss.item() * len(rows)
                bar.update()
            seconds = time.perf_counter() - begun
            found = validation_scores(scored, val)
            means = {f"train/{name}": total / len(train.ids) for name, total in sums.items()}
            callback(epoch, means | found | {"train/epoch_seconds": seconds})
            if not best or found["val/macro_f1"] > best["val/macro_f1"]:
                best, best_epoch, best_state = found, epoch, deepcopy(scored.state_dict())
            elif epoch - best_epoch >= budget.patience:
                break
    model.load_state_dict(best_state)
    model.eval()
    return best | {"best_epoch": best_epoch}


def _moving_average(model: Encoder, share: float) -> AveragedModel | None:
    if share == 0:
        return None
    rule = get_ema_multi_avg_fn(share)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=rule)


def validation_scores(model: Encoder, val: EncodedSentences) -> dict[str, float]:
    """Return the scores of `val`, each as `val/<name>`."""
    found = classification_scores(val.labels, predict_logits(model, val.ids).argmax(1))
    return {f"val/{name}": value for name, value in found.items()}


def _groups(
    model: nn.Module, extra_parameters: Sequence[nn.Parameter], optimizer: Optimizer
) -> list[dict[str, object]]:
    # Biases and normalisation have one dimension, and decaying them only hurts.
    parameters = [*model.parameters(), *extra_parameters]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": optimizer.weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]


def _warmup_then_decay(steps: int, warmup_share: float) -> Callable[[int], float]:
    warmup = warmup_share * steps

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return (steps - step) / max(1.0, steps - warmup)

    return factor

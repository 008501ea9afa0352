"""A model, an objective and sentences become the model at its best epoch: the one loop."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from fincompress.evaluation.metrics import scores
from fincompress.losses import UNLABELLED, hard_loss, soft_loss
from fincompress.models.encoder import Encoder
from fincompress.models.text import Ids, batches_by_length, pad
from fincompress.reporting import Step
from fincompress.spec import UserError, settings

EVALUATION_BATCH = 64
LENGTH_JITTER = 0.1  # share of a sentence's length by which its place among the lengths varies


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


@dataclass(frozen=True)
class Encoded:
    """Tokenized sentences and their class indices, `UNLABELLED` where there is none."""

    ids: Ids
    labels: tuple[int, ...]

    def sample(self, count: int, seed: int) -> "Encoded":
        """Return `count` labelled sentences drawn at random, or all if there are fewer.

        Raises `UserError` if that is none.
        """
        labelled = np.flatnonzero(np.array(self.labels) != UNLABELLED)
        rows = np.random.default_rng(seed).permutation(labelled)[:count].tolist()
        if not rows:
            raise UserError(
                "calibration and scoring need at least one training sentence, not "
                f"{count} of {len(labelled)}"
            )
        return Encoded([self.ids[row] for row in rows], tuple(self.labels[row] for row in rows))

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Ids and mask, (n, tokens) each, of sentences of like length."""
        for rows in batches_by_length(self.ids, EVALUATION_BATCH):
            yield to_tensors([self.ids[row] for row in rows])


@dataclass(frozen=True)
class Batch:
    """rows (n,): places in the training set. ids, mask (n, tokens). labels (n,)."""

    rows: Tensor
    ids: Tensor
    mask: Tensor
    labels: Tensor


# Named losses of a batch; "loss" is the one that is minimised.
Objective = Callable[[Batch], Mapping[str, Tensor]]


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision() -> str:
    """What steps of training compute in: `bf16` where the device has instructions for it, else
    `fp32`."""
    # Without such instructions bf16 is emulated and slower than fp32.
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        cpu = torch.cpu.get_capabilities()
        fast = cpu.get("avx512_bf16") or cpu.get("amx_bf16")
    return "bf16" if fast else "fp32"


def autocast() -> AbstractContextManager[object]:
    if precision() == "bf16":
        return torch.autocast(device().type, dtype=torch.bfloat16)
    return nullcontext()


def fit(
    model: Encoder,
    objective: Objective,
    train: Encoded,
    val: Encoded,
    *,
    budget: Budget,
    optimizer: Optimizer,
    seed: int,
    report: Step,
    also: Sequence[nn.Parameter] = (),
) -> dict[str, float]:
    """Train `model` (and the parameters `also`) in place and leave it at its best epoch.

    Where weights are averaged, that is the best average.

    `report` gets the mean losses and the validation scores of each epoch, and the seconds of its
    batches alone. Returns the validation scores of the best one. Raises `UserError` if the loss
    stops being finite.
    """
    model.to(device())
    trained = [*model.parameters(), *also]
    adamw = torch.optim.AdamW(
        _groups(model, also, optimizer), lr=optimizer.learning_rate, fused=True
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
    with torch.random.fork_rng(), tqdm(
        total=budget.epochs * steps_per_epoch, unit="batch", disable=None, leave=False
    ) as bar:  # fmt: skip
        torch.manual_seed(seed)
        for epoch in range(1, budget.epochs + 1):
            model.train()
            sums: dict[str, float] = {}
            begun = time.perf_counter()
            for rows in _shuffled_batches(train.ids, budget.batch_size, shuffler):
                with autocast():
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
            found = validate(scored, val)
            means = {f"train/{name}": total / len(train.ids) for name, total in sums.items()}
            report(epoch, means | found | {"train/epoch_seconds": seconds})
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


def validate(model: Encoder, val: Encoded) -> dict[str, float]:
    """Return the scores of `val`, each as `val/<name>`."""
    found = scores(val.labels, predict(model, val.ids).argmax(1))
    return {f"val/{name}": value for name, value in found.items()}


def imitation(model: Encoder, taught: Tensor, temperature: float, alpha: float) -> Objective:
    """Return alpha T^2 KL(teacher_T || student_T) + (1 - alpha) cross-entropy with the labels.

    `taught` holds the teacher's logits, (n, labels) of the training set; the index T means logits
    divided by the temperature. The first is the mean over all sentences of a batch, the second
    over those that have a label. Hinton, Vinyals and Dean (2015), "Distilling the Knowledge in a
    Neural Network".
    """

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        logits = model(batch.ids, batch.mask)
        soft = soft_loss(logits, taught[batch.rows], temperature)
        hard = hard_loss(logits, batch.labels)
        return {"loss": alpha * soft + (1 - alpha) * hard, "soft_loss": soft, "hard_loss": hard}

    return objective


@torch.no_grad()
def predict(model: Encoder, ids: Ids) -> Tensor:
    """Return logits (n, labels) in the order of `ids`, float32 on the CPU.

    They are computed in FP32 on every device, as the PyTorch runtime does: only steps of training
    use a faster precision, so that what is scored is what ships.
    """
    model.to(device()).eval()
    logits = torch.empty(len(ids), model.layout.labels)
    for rows in batches_by_length(ids, EVALUATION_BATCH):
        logits[rows] = model(*to_tensors([ids[i] for i in rows])).cpu()
    return logits


def to_tensors(ids: Ids) -> tuple[Tensor, Tensor]:
    """Return padded ids and mask, (n, tokens) each, on the device that trains."""
    padded, mask = pad(ids)
    return torch.from_numpy(padded).to(device()), torch.from_numpy(mask).to(device())


def make_batch(data: Encoded, rows: Sequence[int]) -> Batch:
    ids, mask = to_tensors([data.ids[i] for i in rows])
    labels = torch.tensor([data.labels[i] for i in rows], device=device())
    return Batch(torch.tensor(rows), ids, mask, labels)


def _shuffled_batches(ids: Ids, size: int, shuffler: torch.Generator) -> list[list[int]]:
    """Batches of similar length whose members and order change from epoch to epoch."""
    lengths = torch.tensor([len(row) for row in ids], dtype=torch.float64)
    jitter = 1 + LENGTH_JITTER * torch.rand(len(ids), generator=shuffler, dtype=torch.float64)
    batches = torch.split((lengths * jitter).argsort(), size)
    order = torch.randperm(len(batches), generator=shuffler)
    return [batches[i].tolist() for i in order]


def _groups(
    model: nn.Module, also: Sequence[nn.Parameter], optimizer: Optimizer
) -> list[dict[str, object]]:
    # Biases and normalisation have one dimension, and decaying them only hurts.
    parameters = [*model.parameters(), *also]
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

"""Fine-tuning by Hugging Face's `Trainer` with its defaults, the baseline for `finetune`.

Objective, as in `finetune`:

    loss = cross-entropy(logits, labels)

All else is what `Trainer` does by default: Hugging Face's BERT with dropout of its attention, AdamW
without weight decay or warm-up, batches drawn at random, FP32, no early stopping, and the weights
of the last epoch.

Wolf et al. (2020), "Transformers: State-of-the-Art Natural Language Processing".
"""

import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from fincompress.artifact import Artifact
from fincompress.callbacks import Callback, Step
from fincompress.config import UserError, settings
from fincompress.models.encoder import Encoder
from fincompress.models.storage import TORCH_FORMAT, save_encoder
from fincompress.models.tokenization import load_tokenizer, pad
from fincompress.techniques import Inputs
from fincompress.training.batches import EncodedSentences
from fincompress.training.device import training_device
from fincompress.training.loop import validation_scores

FAMILY = "teacher"
FORMATS = (TORCH_FORMAT,)


@settings
class Config:
    """Settings of `Trainer`, with the defaults of `TrainingArguments`.

    `epochs`: passes over the training set, and never more than the study's.
    `batch_size`: sentences in a batch.
    `learning_rate`: at the first step; it falls linearly to 0.
    """

    epochs: Annotated[int, Field(ge=1)] = 3
    batch_size: Annotated[int, Field(ge=1)] = 8
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 5e-5


def resolve(config: Config, inputs: Inputs) -> Config:
    """Return `config` with at most as many epochs as the study has."""
    return replace(config, epochs=min(config.epochs, inputs.budget.epochs))


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    """Fine-tune the source on the labelled training sentences."""
    train, val = inputs.encoded_splits()
    with _random_state_kept(), TemporaryDirectory(prefix="fincompress-") as scratch:
        model, scores = _train(inputs, config, train, val, scratch, callback)
    return save_encoder(out, model, load_tokenizer(inputs.source), inputs.identity(), scores)


def _train(
    inputs: Inputs,
    config: Config,
    train: EncodedSentences,
    val: EncodedSentences,
    scratch: str,
    callback: Step,
) -> tuple[Encoder, dict[str, float]]:
    """Return the model after the last epoch and its validation scores."""
    # Imported here because it takes seconds, and no other technique needs it.
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    from fincompress.models.huggingface import HuggingFace

    model = HuggingFace(inputs.source)
    scores: dict[str, float] = {}
    begun = seconds = 0.0

    def begin(*_: object, **__: object) -> None:
        nonlocal begun
        begun = time.perf_counter()

    def end(*_: object, **__: object) -> None:
        nonlocal seconds
        seconds = time.perf_counter() - begun

    def log(_: object, state: Any, __: object, *, logs: dict[str, float], **___: object) -> None:
        nonlocal scores
        if "loss" not in logs:  # the summary of the whole training
            return
        epoch = round(state.epoch)
        if not math.isfinite(logs["loss"]):
            raise UserError(
                f"training: the loss became {logs['loss']} in epoch {epoch}; "
                f"lower learning_rate, now {config.learning_rate}"
            )
        scores = validation_scores(model.encoder(), val)
        callback(epoch, {"train/loss": logs["loss"], "train/epoch_seconds": seconds} | scores)

    hooks = TrainerCallback()
    hooks.on_epoch_begin, hooks.on_epoch_end, hooks.on_log = begin, end, log
    arguments = TrainingArguments(
        output_dir=scratch,
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        seed=inputs.seed,
        use_cpu=training_device().type == "cpu",
        dataloader_pin_memory=training_device().type == "cuda",  # without a GPU it only warns
        logging_strategy="epoch",
        logging_nan_inf_filter=False,  # the filter would replace a loss of NaN by an invented one
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    rows = [
        {"input_ids": ids, "labels": label}
        for ids, label in zip(train.ids, train.labels, strict=True)
    ]
    trainer = Trainer(
        model=model.bert,
        args=arguments,
        train_dataset=rows,
        data_collator=_collate,
        callbacks=[hooks],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return model.encoder(), scores


def _collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Return a batch padded to its longest sentence, as `DataCollatorWithPadding` does."""
    ids, mask = pad([row["input_ids"] for row in rows])
    return {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy(mask).long(),
        "labels": torch.tensor([row["labels"] for row in rows]),
    }


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """Restore the random state of the process afterwards: `Trainer` seeds all three generators."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)

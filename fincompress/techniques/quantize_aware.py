"""Quantization-aware training: an encoder in INT8 whose weights and scales are trained together.

Every linear layer and embedding computes with the rounding of INT8 in the forward pass, and
gradients pass through the rounding (`compression/quantization.py`). The exported graph holds the
scales that were learned.

Objective, where the index T means that logits are divided by the temperature T, and the teacher is
the unpruned one:

    loss = alpha T^2 KL(teacher_T || model_T) + (1 - alpha) cross-entropy(model, labels)

Jacob et al. (2018), "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference".
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from fincompress.artifact import Artifact
from fincompress.callbacks import Callback
from fincompress.compression.distillation import distillation_objective
from fincompress.compression.quantization import freeze_quantization, quantize_encoder
from fincompress.config import settings
from fincompress.export import save_model
from fincompress.models.storage import load_encoder
from fincompress.techniques import Inputs
from fincompress.training.device import training_device
from fincompress.training.loop import Optimizer, fit

FAMILY = "quantize"
FORMATS = ("onnx", "openvino")


@settings
class Config:
    """Settings of quantization-aware training.

    `temperature`: T, by which logits are divided; higher values show the model more of how the
    teacher ranks the other labels.
    `alpha`: the weight of the teacher against the labels, 0 to 1.
    `transfer`: whether the study's transfer set, which has no labels, is learned from too.
    `calibration_sentences`: training sentences from which the scales are initialized.
    `epochs`: passes over the training set, and never more than the study's.
    `optimizer`: learning rate, weight decay and the like; see `training.loop.Optimizer`.
    """

    temperature: Annotated[float, Field(gt=0)] = 2.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.8
    transfer: bool = True
    calibration_sentences: Annotated[int, Field(ge=1)] = 300
    epochs: Annotated[int, Field(ge=1)] = 2
    optimizer: Optimizer = Optimizer(learning_rate=3e-5)


def resolve(config: Config, inputs: Inputs) -> Config:
    """Return `config` with epochs and use of the transfer set resolved."""
    epochs = min(config.epochs, inputs.budget.epochs)
    return replace(config, epochs=epochs, transfer=config.transfer and bool(inputs.transfer))


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    """Train the source in INT8 and write its graph."""
    train, val = inputs.encoded_splits(config.transfer)
    teacher_logits = inputs.teacher_logits(inputs.teacher, config.transfer)
    calibration = train.sample(config.calibration_sentences, inputs.seed)
    model = quantize_encoder(
        load_encoder(inputs.source).to(training_device()), calibration.batches()
    )
    best = fit(
        model,
        distillation_objective(model, teacher_logits, config.temperature, config.alpha),
        train,
        val,
        budget=replace(inputs.budget, epochs=config.epochs),
        optimizer=config.optimizer,
        seed=inputs.seed,
        callback=callback,
    )
    final = freeze_quantization(model)
    return save_model(
        out,
        final,
        inputs.source,
        inputs.identity(),
        inputs.runtime,
        judged_on=inputs.val,
        metrics=best,
    )

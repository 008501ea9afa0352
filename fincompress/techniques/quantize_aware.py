"""A student becomes an INT8 one that was trained as such: quantization-aware training.

Objective: vanilla distillation's, against the unpruned teacher, by a student whose every linear
layer and embedding computes with the rounding of INT8. Weights and scales are learned together
(see `compression/quantization.py`); the graph is written with those scales.
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
from fincompress.export import WRITERS, save_graph
from fincompress.models.storage import load_encoder
from fincompress.techniques import Inputs
from fincompress.training.device import training_device
from fincompress.training.loop import Optimizer, fit

FAMILY = "quantize"
FORMATS = ("onnx", "openvino")


@settings
class Config:
    """`epochs` are never more than the study's budget. `transfer`: whether the study's transfer
    set is learned from too.
    """

    temperature: Annotated[float, Field(gt=0)] = 2.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.8
    transfer: bool = True
    calibration_sentences: Annotated[int, Field(ge=1)] = 300
    epochs: Annotated[int, Field(ge=1)] = 2
    optimizer: Optimizer = Optimizer(learning_rate=3e-5)


def resolve(config: Config, inputs: Inputs) -> Config:
    epochs = min(config.epochs, inputs.budget.epochs)
    return replace(config, epochs=epochs, transfer=config.transfer and bool(inputs.transfer))


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    train, val = inputs.encoded_splits(config.transfer)
    taught = inputs.teacher_logits(inputs.teacher, config.transfer)
    calibration = train.sample(config.calibration_sentences, inputs.seed)
    model = quantize_encoder(
        load_encoder(inputs.source).to(training_device()), calibration.batches()
    )
    best = fit(
        model,
        distillation_objective(model, taught, config.temperature, config.alpha),
        train,
        val,
        budget=replace(inputs.budget, epochs=config.epochs),
        optimizer=config.optimizer,
        seed=inputs.seed,
        callback=callback,
    )
    final = freeze_quantization(model)
    return save_graph(
        out,
        WRITERS[inputs.format](final),
        inputs.source,
        inputs.identity(),
        inputs.runtime,
        model=final,
        judged_on=inputs.val,
        metrics=best,
    )

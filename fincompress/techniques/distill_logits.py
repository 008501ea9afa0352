"""A teacher becomes a small student that answers as it does: vanilla knowledge distillation.

Objective: alpha T^2 KL(teacher_T || student_T) + (1 - alpha) cross-entropy with the labels,
where the index T means logits divided by the temperature.
Hinton, Vinyals and Dean (2015), "Distilling the Knowledge in a Neural Network".
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from fincompress.artifact import Artifact
from fincompress.callbacks import Callback
from fincompress.compression.distillation import distillation_objective
from fincompress.compression.student import Student, make_student, resolve_student
from fincompress.config import settings
from fincompress.models.storage import FORMAT, save_encoder
from fincompress.models.tokenization import load_tokenizer
from fincompress.techniques import Inputs
from fincompress.training.loop import Optimizer, fit

FAMILY = "distill"
FORMATS = (FORMAT,)


@settings
class Config:
    """`transfer`: whether the study's transfer set is learned from too."""

    temperature: Annotated[float, Field(gt=0)] = 2.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.8
    transfer: bool = True
    student: Student = Student()
    optimizer: Optimizer = Optimizer(learning_rate=5e-5)


def resolve(config: Config, inputs: Inputs) -> Config:
    layouts = inputs.source.manifest.layout, inputs.pretrained.manifest.layout
    student = resolve_student(config.student, *layouts)
    return replace(config, student=student, transfer=config.transfer and bool(inputs.transfer))


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    train, val = inputs.encoded_splits(config.transfer)
    taught = inputs.teacher_logits(inputs.source, config.transfer)
    model = make_student(config.student, inputs.source, inputs.pretrained, inputs.seed)

    objective = distillation_objective(model, taught, config.temperature, config.alpha)
    best = fit(
        model,
        objective,
        train,
        val,
        budget=inputs.budget,
        optimizer=config.optimizer,
        seed=inputs.seed,
        callback=callback,
    )
    return save_encoder(out, model, load_tokenizer(inputs.source), inputs.identity(), best)

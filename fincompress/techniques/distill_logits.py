"""Knowledge distillation from logits: a small student learns to predict what the teacher predicts.

Objective, where the index T means that logits are divided by the temperature T:

    loss = alpha T^2 KL(teacher_T || student_T) + (1 - alpha) cross-entropy(student, labels)

The student may also learn from sentences without labels, by the first term alone.

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
from fincompress.models.storage import TORCH_FORMAT, save_encoder
from fincompress.models.tokenization import load_tokenizer
from fincompress.techniques import Inputs
from fincompress.training.loop import Optimizer, fit

FAMILY = "distill"
FORMATS = (TORCH_FORMAT,)


@settings
class Config:
    """Settings of distillation from logits.

    `temperature`: T, by which logits are divided; higher values show the student more of how the
    teacher ranks the other labels.
    `alpha`: the weight of the teacher against the labels, 0 to 1.
    `transfer`: whether the study's transfer set, which has no labels, is learned from too.
    `student`: shape and first weights; see `compression.student.Student`.
    `optimizer`: learning rate, weight decay and the like; see `training.loop.Optimizer`.
    """

    temperature: Annotated[float, Field(gt=0)] = 2.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.8
    transfer: bool = True
    student: Student = Student()
    optimizer: Optimizer = Optimizer(learning_rate=5e-5)


def resolve(config: Config, inputs: Inputs) -> Config:
    """Return `config` with the student resolved, and `transfer` only if there is a transfer set."""
    layouts = inputs.source.manifest.layout, inputs.pretrained.manifest.layout
    student = resolve_student(config.student, *layouts)
    return replace(config, student=student, transfer=config.transfer and bool(inputs.transfer))


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    """Train a student of the source."""
    train, val = inputs.encoded_splits(config.transfer)
    teacher_logits = inputs.teacher_logits(inputs.source, config.transfer)
    model = make_student(config.student, inputs.source, inputs.pretrained, inputs.seed)
    objective = distillation_objective(model, teacher_logits, config.temperature, config.alpha)
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

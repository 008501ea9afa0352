"""Intermediate-layer distillation: a student learns the teacher's hidden states and attention too.

Objective, where the index T means that logits are divided by the temperature T:

    loss = alpha T^2 KL(teacher_T || student_T) + (1 - alpha) cross-entropy(student, labels)
         + lambda_hidden    mean_i MSE(W h_i, H_m(i))
         + lambda_attention mean_i SE(a_i, A_m(i))

h_i and a_i are the hidden states and attention probabilities of the student's layer i, H_m(i) and
A_m(i) those of the teacher's layer that `layer_map` assigns to it. W is a learned projection to the
teacher's width, which exists only in training and only where the widths differ. SE is a squared
error, summed over the tokens that are attended to.

All terms are trained together; the paper trains the layers first and the logits afterwards.

Jiao et al. (2020), "TinyBERT: Distilling BERT for Natural Language Understanding".
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from fincompress.artifact import Artifact
from fincompress.callbacks import Callback
from fincompress.compression.student import (
    LayerMap,
    Student,
    make_student,
    resolve_layer_map,
    resolve_student,
)
from fincompress.config import settings
from fincompress.models.encoder import Encoder
from fincompress.models.storage import TORCH_FORMAT, load_encoder, save_encoder
from fincompress.models.tokenization import load_tokenizer
from fincompress.techniques import Inputs
from fincompress.training.batches import Batch
from fincompress.training.device import training_device
from fincompress.training.loop import Optimizer, fit
from fincompress.training.losses import attention_loss, hard_loss, hidden_loss, soft_loss

FAMILY = "distill"
FORMATS = (TORCH_FORMAT,)

Weight = Annotated[float, Field(ge=0)]


@settings
class Config:
    """Settings of intermediate-layer distillation.

    `temperature`: T, by which logits are divided; higher values show the student more of how the
    teacher ranks the other labels.
    `alpha`: the weight of the teacher against the labels, 0 to 1.
    `transfer`: whether the study's transfer set, which has no labels, is learned from too.
    `lambda_hidden`: the weight of the error of hidden states.
    `lambda_attention`: the weight of the error of attention probabilities.
    `layer_map`: the teacher's layer that each of the student's layers follows, as indices from 0;
    `even` spaces them evenly, first and last included.
    `student`: shape and first weights; see `compression.student.Student`.
    `optimizer`: learning rate, weight decay and the like; see `training.loop.Optimizer`.
    """

    temperature: Annotated[float, Field(gt=0)] = 2.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.8
    transfer: bool = True
    lambda_hidden: Weight = 1.0
    lambda_attention: Weight = 1.0
    layer_map: LayerMap = "even"
    student: Student = Student()
    optimizer: Optimizer = Optimizer(learning_rate=5e-5)


def resolve(config: Config, inputs: Inputs) -> Config:
    """Return `config` with student, layer map and use of the transfer set resolved."""
    teacher, pretrained = inputs.source.manifest.layout, inputs.pretrained.manifest.layout
    student = resolve_student(config.student, teacher, pretrained)
    layer_map = resolve_layer_map(
        "layer_map", config.layer_map, student.layers, len(teacher.layers)
    )
    transfer = config.transfer and bool(inputs.transfer)
    return replace(config, student=student, layer_map=layer_map, transfer=transfer)


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    """Train a student of the source."""
    train, val = inputs.encoded_splits(config.transfer)
    layers = tuple(int(layer) for layer in config.layer_map)
    teacher_logits = inputs.teacher_logits(inputs.source, config.transfer)
    teacher = load_encoder(inputs.source).to(training_device())
    model = make_student(config.student, inputs.source, inputs.pretrained, inputs.seed)
    width = inputs.source.manifest.layout.width
    projection = _projection(model.layout.width, width, inputs.seed).to(training_device())

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        trace = model.trace(batch.ids, batch.mask)
        hidden, attention = _followed(teacher, batch, layers)
        soft = soft_loss(trace.logits, teacher_logits[batch.rows], config.temperature)
        hard = hard_loss(trace.logits, batch.labels)
        hidden_terms = [
            hidden_loss(projection(s), t, batch.mask)
            for s, t in zip(trace.hidden, hidden, strict=True)
        ]
        attention_terms = [
            attention_loss(s, t, batch.mask)
            for s, t in zip(trace.attention, attention, strict=True)
        ]
        hidden_term = torch.stack(hidden_terms).mean()
        attention_term = torch.stack(attention_terms).mean()
        loss = config.alpha * soft + (1 - config.alpha) * hard
        loss = loss + config.lambda_hidden * hidden_term
        loss = loss + config.lambda_attention * attention_term
        return {
            "loss": loss,
            "soft_loss": soft,
            "hard_loss": hard,
            "hidden_loss": hidden_term,
            "attention_loss": attention_term,
        }

    best = fit(
        model,
        objective,
        train,
        val,
        budget=inputs.budget,
        optimizer=config.optimizer,
        seed=inputs.seed,
        callback=callback,
        extra_parameters=list(projection.parameters()),
    )
    return save_encoder(out, model, load_tokenizer(inputs.source), inputs.identity(), best)


@torch.no_grad()
def _followed(
    teacher: Encoder, batch: Batch, layers: Sequence[int]
) -> tuple[list[Tensor], list[Tensor]]:
    """The teacher's hidden states and attention probabilities in the layers that are followed.

    They are computed for each batch: those of a whole transfer set would fill the memory.
    """
    trace = teacher.trace(batch.ids, batch.mask)
    return [trace.hidden[layer] for layer in layers], [trace.attention[layer] for layer in layers]


def _projection(student: int, teacher: int, seed: int) -> nn.Module:
    """A linear map from the student's width to the teacher's, or the identity if they are equal."""
    if student == teacher:
        return nn.Identity()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Linear(student, teacher)

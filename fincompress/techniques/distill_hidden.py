"""A teacher becomes a small student that also thinks as it does: intermediate distillation.

Objective: vanilla distillation's, plus lambda_hidden times the mean squared error of hidden
states and lambda_attention times that of attention probabilities, each the mean over the
student's layers, against the teacher's layers that `layer_map` names.
Jiao et al. (2020), "TinyBERT: Distilling BERT for Natural Language Understanding".
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from fincompress.artifact import Artifact, read_artifact
from fincompress.callbacks import Callback
from fincompress.compression.student import (
    LayerMap,
    Student,
    make_student,
    resolve_layer_map,
    resolve_student,
)
from fincompress.config import settings
from fincompress.models.storage import FORMAT, load_encoder, save_encoder
from fincompress.models.tokenization import batches_by_length, encode, load_tokenizer
from fincompress.techniques import Inputs
from fincompress.training.batches import EVALUATION_BATCH, Batch, padded_tensors
from fincompress.training.device import training_device
from fincompress.training.loop import Optimizer, fit
from fincompress.training.losses import attention_loss, hard_loss, hidden_loss, soft_loss

FAMILY = "distill"
FORMATS = (FORMAT,)

Weight = Annotated[float, Field(ge=0)]


@settings
class Config:
    """`transfer`: whether the study's transfer set is learned from too."""

    temperature: Annotated[float, Field(gt=0)] = 2.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.8
    transfer: bool = True
    lambda_hidden: Weight = 1.0
    lambda_attention: Weight = 1.0
    layer_map: LayerMap = "even"
    student: Student = Student()
    optimizer: Optimizer = Optimizer(learning_rate=5e-5)


def resolve(config: Config, inputs: Inputs) -> Config:
    teacher, pretrained = inputs.source.manifest.layout, inputs.pretrained.manifest.layout
    student = resolve_student(config.student, teacher, pretrained)
    places = resolve_layer_map("layer_map", config.layer_map, student.layers, len(teacher.layers))
    transfer = config.transfer and bool(inputs.transfer)
    return replace(config, student=student, layer_map=places, transfer=transfer)


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    train, val = inputs.encoded_splits(config.transfer)
    places = tuple(int(place) for place in config.layer_map)
    lesson = _teacher_states(inputs.source.path, inputs.training_texts(config.transfer), places)
    model = make_student(config.student, inputs.source, inputs.pretrained, inputs.seed)
    width = inputs.source.manifest.layout.width
    projection = _projection(model.layout.width, width, inputs.seed).to(training_device())

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        seen = model.trace(batch.ids, batch.mask)
        hidden, attention = lesson.of(batch)
        soft = soft_loss(seen.logits, lesson.logits[batch.rows], config.temperature)
        hard = hard_loss(seen.logits, batch.labels)
        hidden_terms = [
            hidden_loss(projection(s), t, batch.mask)
            for s, t in zip(seen.hidden, hidden, strict=True)
        ]
        attention_terms = [
            attention_loss(s, t, batch.mask) for s, t in zip(seen.attention, attention, strict=True)
        ]
        hidden_term = torch.stack(hidden_terms).mean()
        attention_term = torch.stack(attention_terms).mean()
        return {
            "loss": config.alpha * soft
            + (1 - config.alpha) * hard
            + config.lambda_hidden * hidden_term
            + config.lambda_attention * attention_term,
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


@dataclass(frozen=True)
class TeacherStates:
    """What the teacher saw in every training sentence, unpadded and in half precision.

    logits: (n, labels). hidden[i]: (layers, tokens, width) of sentence i, attention[i]:
    (layers, heads, tokens, tokens), for the layers that the student's layers follow.
    """

    logits: Tensor
    hidden: list[Tensor]
    attention: list[Tensor]

    def of(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Hidden states and attentions of a batch, padded: layers first."""
        rows, tokens = batch.rows.tolist(), batch.ids.shape[1]
        layers, _, width = self.hidden[0].shape
        heads = self.attention[0].shape[1]
        hidden = torch.zeros(layers, len(rows), tokens, width)
        attention = torch.zeros(layers, len(rows), heads, tokens, tokens)
        for place, row in enumerate(rows):
            own = self.hidden[row].shape[1]
            hidden[:, place, :own] = self.hidden[row]
            attention[:, place, :, :own, :own] = self.attention[row]
        return hidden.to(training_device()), attention.to(training_device())


@lru_cache(maxsize=1)
@torch.no_grad()
def _teacher_states(path: Path, texts: tuple[str, ...], places: tuple[int, ...]) -> TeacherStates:
    """The teacher's forward pass over the training set, once for all trials that learn from it."""
    artifact = read_artifact(path)
    teacher = load_encoder(artifact).to(training_device()).eval()
    ids = encode(load_tokenizer(artifact), texts)
    logits = torch.empty(len(ids), teacher.layout.labels)
    hidden: list[Tensor] = [torch.empty(0)] * len(ids)
    attention: list[Tensor] = [torch.empty(0)] * len(ids)
    same_heads = len({layer.heads for layer in teacher.layout.layers}) == 1
    for rows in batches_by_length(ids, EVALUATION_BATCH):
        seen = teacher.trace(*padded_tensors([ids[row] for row in rows]))
        logits[rows] = seen.logits.cpu()
        states = torch.stack([seen.hidden[place] for place in places]).half().cpu()
        # Layers with unlike head counts are kept as means, which is what the loss compares.
        kept = [
            seen.attention[p] if same_heads else seen.attention[p].mean(1, keepdim=True)
            for p in places
        ]
        maps = torch.stack(kept).half().cpu()
        for place, row in enumerate(rows):
            own = len(ids[row])
            hidden[row] = states[:, place, :own].clone()
            attention[row] = maps[:, place, :, :own, :own].clone()
    return TeacherStates(logits.to(training_device()), hidden, attention)


def _projection(student: int, teacher: int, seed: int) -> nn.Module:
    """A learned map from the student's width to the teacher's; nothing where they agree."""
    if student == teacher:
        return nn.Identity()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Linear(student, teacher)

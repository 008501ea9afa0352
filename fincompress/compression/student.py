"""A shape and an initialisation become a fresh student encoder."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field

from fincompress.artifact import Artifact, LayerLayout, Layout
from fincompress.config import Positive, UserError, settings
from fincompress.models.encoder import Encoder
from fincompress.models.storage import load_encoder

LayerMap = Literal["even"] | tuple[Annotated[int, Field(ge=0)], ...]


@settings
class Student:
    """The student's shape, and where its first weights come from.

    `init` is `teacher_layers` (embeddings, head and the layers `init_layers` of the teacher),
    `pretrained` (the same of the study's `student_base`, with a fresh head), `random`, or
    `auto`: the teacher's layers where they fit, else the pretrained ones.
    """

    layers: Positive = 4
    width: Positive = 384
    heads: Positive = 12
    ffn: Positive = 1536
    init: Literal["auto", "teacher_layers", "pretrained", "random"] = "auto"
    init_layers: LayerMap = "even"

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads ({self.heads})")


def even_layers(layers: int, of: int) -> tuple[int, ...]:
    """Return `layers` places among `of`, first and last included: 4 of 6 are 0, 1, 3, 5."""
    if layers == 1:
        return (of - 1,)
    return tuple(i * (of - 1) // (layers - 1) for i in range(layers))


def resolve_layer_map(name: str, given: LayerMap, layers: int, of: int) -> tuple[int, ...]:
    """Return the layer of `of` for each of `layers`; raise `UserError` if a map does not fit."""
    places = even_layers(layers, of) if given == "even" else tuple(given)
    if len(places) != layers or max(places) >= of:
        raise UserError(
            f"config.{name}: must name {layers} layers, each from 0 to {of - 1}, not {list(places)}"
        )
    return places


def resolve_student(student: Student, teacher: Layout, pretrained: Layout) -> Student:
    """Replace `auto` and `even` by what they mean for these two models.

    Raises `UserError` if the wanted weights do not fit the student's shape.
    """
    init = student.init
    if init == "auto":
        init = "teacher_layers" if _fits(student, teacher) else "pretrained"
    if init == "random":
        return replace(student, init=init, init_layers=())
    origin = teacher if init == "teacher_layers" else pretrained
    if not _fits(student, origin):
        shape = origin.layers[0]
        raise UserError(
            f"config.student.init: '{init}' needs the width, heads and FFN width of its origin "
            f"({origin.width}, {origin.width // origin.head_width}, {shape.ffn}), not "
            f"({student.width}, {student.heads}, {student.ffn}); 'random' fits any shape"
        )
    if (origin.vocabulary, origin.positions) != (teacher.vocabulary, teacher.positions):
        raise UserError(
            "student_base: its word pieces and positions must be as many as the teacher's "
            f"({teacher.vocabulary}, {teacher.positions}), not "
            f"({origin.vocabulary}, {origin.positions})"
        )
    places = resolve_layer_map(
        "student.init_layers", student.init_layers, student.layers, len(origin.layers)
    )
    return replace(student, init=init, init_layers=places)


def make_student(student: Student, teacher: Artifact, pretrained: Artifact, seed: int) -> Encoder:
    """Return the encoder that a resolved `student` describes; its vocabulary is the teacher's."""
    like = teacher.manifest.layout
    shape = LayerLayout(heads=student.heads, ffn=student.ffn)
    layout = Layout(
        vocabulary=like.vocabulary,
        positions=like.positions,
        width=student.width,
        head_width=student.width // student.heads,
        layers=(shape,) * student.layers,
        labels=like.labels,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Encoder(layout)
    if student.init == "teacher_layers":
        _copy(load_encoder(teacher), model, student.init_layers, head=True)
    elif student.init == "pretrained":
        _copy(load_encoder(pretrained), model, student.init_layers, head=False)
    return model


def _copy(origin: Encoder, model: Encoder, places: Sequence[int | str], head: bool) -> None:
    model.words.load_state_dict(origin.words.state_dict())
    model.positions.load_state_dict(origin.positions.state_dict())
    model.embedding_norm.load_state_dict(origin.embedding_norm.state_dict())
    model.pooler.load_state_dict(origin.pooler.state_dict())
    if head:
        model.classifier.load_state_dict(origin.classifier.state_dict())
    for layer, place in zip(model.layers, places, strict=True):
        layer.load_state_dict(origin.layers[int(place)].state_dict())


def _fits(student: Student, origin: Layout) -> bool:
    shape = LayerLayout(heads=student.heads, ffn=student.ffn)
    same_width = (student.width, student.width // student.heads) == (
        origin.width,
        origin.head_width,
    )
    return same_width and all(layer == shape for layer in origin.layers)

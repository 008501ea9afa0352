"""Student encoders: their shape, and the weights that they start from."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field

from fincompress.artifact import Artifact, LayerLayout, Layout
from fincompress.config import Positive, UserError, settings
from fincompress.models.encoder import Encoder
from fincompress.models.storage import load_encoder

# Which layers of a larger model the layers of a smaller one follow, as indices from 0.
LayerMap = Literal["even"] | tuple[Annotated[int, Field(ge=0)], ...]


@settings
class Student:
    """The shape of a student encoder, and the weights that it starts from.

    `layers`: number of layers. `width`: size of a hidden state, a multiple of `heads`. `heads`:
    attention heads of a layer. `ffn`: neurons of a layer's feed-forward network.
    `init`: where its first weights come from. `teacher_layers` copies some layers of the teacher,
    its embeddings, pooler and classifier; `pretrained` copies the same from the study's
    `student_base`, except that the classifier is random; `random` copies nothing; `auto` means
    `teacher_layers` if the teacher has the student's width, heads and FFN, else `pretrained` if
    that has them and the teacher's word pieces, else `random`.
    `init_layers`: which layers are copied, one for each of the student's, as indices from 0; `even`
    spaces them evenly, first and last included. `random` ignores it.
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
    """Return `layers` evenly spaced indices below `of`, first and last included.

    Four of six are 0, 1, 3, 5; one is the last.
    """
    if layers == 1:
        return (of - 1,)
    return tuple(i * (of - 1) // (layers - 1) for i in range(layers))


def resolve_layer_map(name: str, given: LayerMap, layers: int, of: int) -> tuple[int, ...]:
    """Return the index, below `of`, of the layer that each of `layers` layers follows.

    `even` is replaced by `even_layers`. `name` is that of the setting, for messages. Raises
    `UserError` if the map has another length, or an index is out of range.
    """
    indices = even_layers(layers, of) if given == "even" else tuple(given)
    if len(indices) != layers or max(indices) >= of:
        raise UserError(
            f"config.{name}: must name {layers} layers, each from 0 to {of - 1}, "
            f"not {list(indices)}"
        )
    return indices


def resolve_student(student: Student, teacher: Layout, pretrained: Layout) -> Student:
    """Return `student` with `auto` and `even` replaced by what they mean for these two models.

    Raises `UserError` if the weights that it should start from do not fit its shape, or if the
    pretrained model has another vocabulary or other positions than the teacher.
    """
    init = student.init
    if init == "auto" and _fits(student, teacher):
        init = "teacher_layers"
    elif init == "auto":
        usable = _fits(student, pretrained) and _same_pieces(teacher, pretrained)
        init = "pretrained" if usable else "random"
    if init == "random":
        return replace(student, init=init, init_layers=())
    donor = teacher if init == "teacher_layers" else pretrained
    if not _fits(student, donor):
        shape = donor.layers[0]
        raise UserError(
            f"config.student.init: '{init}' needs the width, heads and FFN width that it copies "
            f"({donor.width}, {donor.width // donor.head_width}, {shape.ffn}), not "
            f"({student.width}, {student.heads}, {student.ffn}); 'random' fits any shape"
        )
    if not _same_pieces(teacher, donor):
        raise UserError(
            "student_base: its word pieces and positions must be as many as the teacher's "
            f"({teacher.vocabulary}, {teacher.positions}), not "
            f"({donor.vocabulary}, {donor.positions})"
        )
    indices = resolve_layer_map(
        "student.init_layers", student.init_layers, student.layers, len(donor.layers)
    )
    return replace(student, init=init, init_layers=indices)


def make_student(student: Student, teacher: Artifact, pretrained: Artifact, seed: int) -> Encoder:
    """Return a new encoder as a resolved `student` describes it, not yet trained.

    Vocabulary, positions and labels are the teacher's. `seed` decides the random weights.
    """
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


def _copy(donor: Encoder, model: Encoder, indices: Sequence[int | str], head: bool) -> None:
    """Copy the weights of `donor` into `model`: its layers `indices`, its classifier if `head`."""
    model.words.load_state_dict(donor.words.state_dict())
    model.positions.load_state_dict(donor.positions.state_dict())
    model.embedding_norm.load_state_dict(donor.embedding_norm.state_dict())
    model.pooler.load_state_dict(donor.pooler.state_dict())
    if head:
        model.classifier.load_state_dict(donor.classifier.state_dict())
    for layer, index in zip(model.layers, indices, strict=True):
        layer.load_state_dict(donor.layers[int(index)].state_dict())


def _fits(student: Student, donor: Layout) -> bool:
    """Whether the layers of `donor` have the width, heads and FFN of the student's."""
    shape = LayerLayout(heads=student.heads, ffn=student.ffn)
    same_width = (student.width, student.width // student.heads) == (
        donor.width,
        donor.head_width,
    )
    return same_width and all(layer == shape for layer in donor.layers)


def _same_pieces(one: Layout, other: Layout) -> bool:
    """Whether two encoders have as many word pieces and positions."""
    return (one.vocabulary, one.positions) == (other.vocabulary, other.positions)

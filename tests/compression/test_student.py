"""A student's shape and first weights: which layers it copies, and when that is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fincompress.artifact import Artifact, LayerLayout, Layout
from fincompress.compression.student import (
    LayerMap,
    Student,
    even_layers,
    make_student,
    resolve_layer_map,
    resolve_student,
)
from fincompress.config import UserError, parse
from fincompress.models.encoder import Encoder
from fincompress.models.storage import Identity, load_encoder, save_encoder
from tests.support.projects import tiny_tokenizer


def layout(layers: int, width: int = 8, heads: int = 2, ffn: int = 12) -> Layout:
    return Layout(
        vocabulary=75,
        positions=16,
        width=width,
        head_width=width // heads,
        layers=(LayerLayout(heads=heads, ffn=ffn),) * layers,
        labels=3,
    )


SMALL = Student(layers=2, width=8, heads=2, ffn=12)
TEACHER, WIDE, PRETRAINED = layout(6), layout(12, width=16), layout(4)


@pytest.mark.parametrize(
    ("layers", "of", "places"),
    [
        (4, 6, (0, 1, 3, 5)),
        (4, 12, (0, 3, 7, 11)),
        (6, 6, (0, 1, 2, 3, 4, 5)),
        (2, 12, (0, 11)),
        (1, 6, (5,)),
    ],
)
def test_even_layers_span_first_to_last(layers: int, of: int, places: tuple[int, ...]) -> None:
    assert even_layers(layers, of) == places


@pytest.mark.parametrize(
    ("given", "places"), [("even", (0, 1, 3, 5)), ((5, 0, 0, 2), (5, 0, 0, 2))]
)
def test_a_map_is_even_or_as_given(given: LayerMap, places: tuple[int, ...]) -> None:
    assert resolve_layer_map("layer_map", given, 4, 6) == places


@pytest.mark.parametrize("given", [(0, 1, 6), (0, 1), (0, 1, 2, 3), ()])
def test_a_map_that_does_not_fit_is_refused(given: tuple[int, ...]) -> None:
    with pytest.raises(UserError) as caught:
        resolve_layer_map("layer_map", given, 3, 6)
    assert str(caught.value) == (
        f"config.layer_map: must name 3 layers, each from 0 to 5, not {list(given)}"
    )


@pytest.mark.parametrize(
    ("teacher", "init", "places"),
    [
        (TEACHER, "teacher_layers", (0, 5)),
        (WIDE, "pretrained", (0, 3)),
        (layout(6, ffn=13), "pretrained", (0, 3)),
        (layout(6, heads=4), "pretrained", (0, 3)),
    ],
)
def test_auto_takes_the_teachers_layers_where_they_fit(
    teacher: Layout, init: str, places: tuple[int, ...]
) -> None:
    resolved = resolve_student(SMALL, teacher, PRETRAINED)
    assert (resolved.init, resolved.init_layers) == (init, places)


def test_a_teacher_pruned_unevenly_fits_no_student() -> None:
    pruned = replace(TEACHER, layers=(*TEACHER.layers[1:], LayerLayout(heads=1, ffn=12)))
    assert resolve_student(SMALL, pruned, PRETRAINED).init == "pretrained"


def test_pretrained_layers_are_taken_when_asked_for_though_the_teachers_fit() -> None:
    asked = replace(SMALL, init="pretrained", init_layers=(3, 1))
    assert resolve_student(asked, TEACHER, PRETRAINED) == asked


def test_random_weights_fit_any_shape_and_name_no_layers() -> None:
    odd = Student(layers=3, width=9, heads=3, ffn=5, init="random")
    resolved = resolve_student(odd, TEACHER, PRETRAINED)
    assert (resolved.init, resolved.init_layers) == ("random", ())


def test_resolving_twice_changes_nothing() -> None:
    for init in ("auto", "pretrained", "random"):
        once = resolve_student(parse_init(init), TEACHER, PRETRAINED)
        assert resolve_student(once, TEACHER, PRETRAINED) == once


def parse_init(init: str) -> Student:
    shape = {"layers": 2, "width": 8, "heads": 2, "ffn": 12}
    return parse(Student, {**shape, "init": init}, "config.student")


@pytest.mark.parametrize(
    ("student", "origin", "shape"),
    [
        (replace(SMALL, init="teacher_layers"), WIDE, "(16, 2, 12), not (8, 2, 12)"),
        (replace(SMALL, init="teacher_layers", heads=4), TEACHER, "(8, 2, 12), not (8, 4, 12)"),
        (replace(SMALL, init="pretrained", ffn=6), TEACHER, "(8, 2, 12), not (8, 2, 6)"),
    ],
)
def test_weights_that_do_not_fit_the_shape_are_refused(
    student: Student, origin: Layout, shape: str
) -> None:
    with pytest.raises(UserError) as caught:
        resolve_student(student, origin, PRETRAINED)
    assert str(caught.value) == (
        f"config.student.init: '{student.init}' needs the width, heads and FFN width that it "
        f"copies {shape}; 'random' fits any shape"
    )


@pytest.mark.parametrize(
    "pretrained", [WIDE, replace(PRETRAINED, vocabulary=76), replace(PRETRAINED, positions=17)]
)
def test_auto_starts_at_random_where_neither_model_fits(pretrained: Layout) -> None:
    assert resolve_student(SMALL, WIDE, PRETRAINED).init == "pretrained"
    assert resolve_student(SMALL, WIDE, pretrained).init == "random"


def test_layers_that_the_origin_lacks_are_refused() -> None:
    with pytest.raises(UserError, match=r"config\.student\.init_layers: must name 2 layers, each"):
        resolve_student(replace(SMALL, init="pretrained", init_layers=(0, 4)), TEACHER, PRETRAINED)


def test_the_width_must_divide_into_heads() -> None:
    with pytest.raises(UserError, match=r"student: width must be a multiple of heads \(5\)"):
        parse(Student, {"width": 384, "heads": 5}, "student")


# --- making it --------------------------------------------------------------------------------


def saved(folder: Path, shape: Layout, seed: int) -> Artifact:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Encoder(shape)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter)
    identity = Identity("finetune", "0123456789abcdef", ("a", "b", "c"), 16, ())
    return save_encoder(folder / f"seed-{seed}", model, tiny_tokenizer(folder), identity, {})


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return saved(tmp_path_factory.mktemp("teacher"), TEACHER, 1)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return saved(tmp_path_factory.mktemp("pretrained"), PRETRAINED, 2)


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(weight, theirs[name]) for name, weight in one.state_dict().items())


def resolved(student: Student, teacher: Artifact, pretrained: Artifact) -> Student:
    return resolve_student(student, teacher.manifest.layout, pretrained.manifest.layout)


@pytest.mark.parametrize("places", ["even", (3, 3)])
def test_a_student_of_the_teachers_layers_has_its_embeddings_head_and_those_layers(
    teacher: Artifact, pretrained: Artifact, places: LayerMap
) -> None:
    student = resolved(replace(SMALL, init_layers=places), teacher, pretrained)
    made, origin = make_student(student, teacher, pretrained, 0), load_encoder(teacher)
    for part in ("words", "positions", "embedding_norm", "pooler", "classifier"):
        assert equal(getattr(made, part), getattr(origin, part))
    expected = (0, 5) if places == "even" else places
    copied = [
        [i for i, theirs in enumerate(origin.layers) if equal(layer, theirs)]
        for layer in made.layers
    ]
    assert copied == [[place] for place in expected]


def test_a_pretrained_student_has_the_bases_layers_and_a_fresh_head(
    teacher: Artifact, pretrained: Artifact
) -> None:
    asked = replace(SMALL, init="pretrained", init_layers=(2, 1))
    made, origin = make_student(asked, teacher, pretrained, 0), load_encoder(pretrained)
    for part in ("words", "positions", "embedding_norm", "pooler"):
        assert equal(getattr(made, part), getattr(origin, part))
    assert equal(made.layers[0], origin.layers[2])
    assert equal(made.layers[1], origin.layers[1])
    assert not equal(made.classifier, origin.classifier)
    assert made.classifier.bias.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "student",
    [
        replace(SMALL, init="pretrained", init_layers=(0, 3)),
        Student(layers=1, width=6, heads=3, ffn=5, init="random", init_layers=()),
    ],
)
def test_fresh_weights_follow_the_seed_and_leave_the_global_state_alone(
    student: Student, teacher: Artifact, pretrained: Artifact
) -> None:
    before = torch.get_rng_state()
    one, again, other = (make_student(student, teacher, pretrained, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert equal(one, again)
    assert not equal(one.classifier, other.classifier)


def test_the_students_shape_is_its_own_and_its_vocabulary_the_teachers(
    teacher: Artifact, pretrained: Artifact
) -> None:
    odd = Student(layers=3, width=9, heads=3, ffn=5, init="random", init_layers=())
    assert make_student(odd, teacher, pretrained, 0).layout == Layout(
        vocabulary=75,
        positions=16,
        width=9,
        head_width=3,
        layers=(LayerLayout(heads=3, ffn=5),) * 3,
        labels=3,
    )


def test_a_base_with_another_vocabulary_is_refused(teacher: Artifact, tmp_path: Path) -> None:
    other = saved(tmp_path, replace(PRETRAINED, vocabulary=80), 3)
    asked = replace(SMALL, init="pretrained")
    with pytest.raises(UserError) as caught:
        resolve_student(asked, teacher.manifest.layout, other.manifest.layout)
    assert str(caught.value) == (
        "student_base: its word pieces and positions must be as many as the teacher's "
        "(75, 16), not (80, 16)"
    )

"""A search space is checked against the config that it varies, before anything runs."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from fincompress.config import settings
from fincompress.studies.search_space import Choices, Range, Scalar, read_space, tidy, with_values
from fincompress.studies.variants import load_variants
from tests.support.projects import Project, refusal


@settings
class Inner:
    rate: Annotated[float, Field(gt=0, lt=1)] = 0.1


@settings
class Config:
    temperature: Annotated[float, Field(gt=0)] = 4.0
    sentences: Annotated[int, Field(ge=1)] = 300
    kind: Literal["round", "square"] = "round"
    inner: Inner = Inner()


def test_ranges_take_the_type_of_what_they_vary() -> None:
    space = read_space(
        {
            "temperature": {"low": 1, "high": 8, "step": 1},
            "sentences": {"low": 100, "high": 500, "step": 100},
            "inner.rate": {"low": 0.01, "high": 0.5, "log": True},
            "kind": {"choices": ["round", "square"]},
        },
        Config(),
        "here",
    )
    assert space == {
        "temperature": Range(low=1.0, high=8.0, step=1.0),
        "sentences": Range(low=100, high=500, step=100),
        "inner.rate": Range(low=0.01, high=0.5, log=True),
        "kind": Choices(choices=("round", "square")),
    }
    assert isinstance(space["temperature"], Range) and isinstance(space["temperature"].low, float)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"temprature": {"low": 1, "high": 8}},
     "here: unknown key 'temprature'; did you mean 'temperature'?"),
    ({"inner": {"low": 1, "high": 8}}, "here: unknown key 'inner'; did you mean 'inner.rate'?"),
    ({"temperature": {"low": 8, "high": 1}},
     "here.temperature: low must be below high, not 8.0 and 1.0"),
    ({"temperature": {"low": 0, "high": 8}},
     "here: temperature: input should be greater than 0, not 0.0"),
    ({"inner.rate": {"low": 0.05, "high": 2.0}},
     "here: inner.rate: input should be less than 1, not 2.0"),
    ({"sentences": {"low": 0.5, "high": 400}},
     "here: sentences: input should be a valid integer, not 0.5"),
    ({"sentences": {"low": 100, "high": 400, "step": 0.5}},
     "here.sentences: step must be a whole number, not 0.5"),
    ({"sentences": {"low": 100, "high": 400, "step": 0}},
     "here.sentences: step must be above 0, not 0"),
    ({"inner.rate": {"low": 0.01, "high": 0.5, "log": True, "step": 0.01}},
     "here.inner.rate: log needs a low above 0 and no step, not"),
    ({"temperature": {"low": 5, "high": 8}},
     "here.temperature: must include the variant's own value 4.0, not just 5.0 to 8.0"),
    ({"temperature": {"low": 1, "high": 8, "step": 2}},
     "must include the variant's own value 4.0, not just 1.0 to 8.0 by 2.0"),
    ({"temperature": {"lo": 1, "high": 8}},
     "here.temperature: unknown key 'lo'; did you mean 'low'?"),
    ({"temperature": {"low": 1}}, "here.temperature: missing key 'high'"),
    ({"kind": {"low": 1, "high": 2}}, "here.kind: 'round' is not a number; use `choices: [...]`"),
    ({"kind": {"choices": ["round", "oval"]}},
     "here: kind: input should be 'round' or 'square', not 'oval'"),
    ({"kind": {"choices": ["round"]}}, "here.kind: choices: tuple should have at least 2 items"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), WRONG)
def test_a_wrong_space_is_one_message(data: dict[str, Any], message: str) -> None:
    assert message in refusal(lambda: read_space(data, Config(), "here"))


def test_a_variants_file_is_named(project: Project) -> None:
    file = project.folder / "experiments" / "variants" / "student_vanilla_kd.yaml"
    file.write_text(file.read_text().replace("  temperature:", "  temprature:"))
    assert refusal(load_variants) == (
        f"{file}: search: unknown key 'temprature'; did you mean 'temperature'?"
    )


def test_values_go_to_their_places() -> None:
    values: dict[str, Scalar] = {"inner.rate": 0.3, "kind": "square"}
    found = with_values(Config(temperature=2.0), values, "here")
    assert found == Config(temperature=2.0, kind="square", inner=Inner(rate=0.3))
    message = refusal(lambda: with_values(Config(), {"inner.rate": 3.0}, "here"))
    assert message == "here: inner.rate: input should be less than 1, not 3.0"


def test_tidy_floats_are_what_a_person_would_write() -> None:
    assert [tidy(0.1 + 0.05), tidy(1.23456789e-4), tidy(7), tidy("x")] == [
        0.15, 0.000123457, 7, "x",
    ]  # fmt: skip


def test_a_variants_yaml_holds_what_it_said_and_the_new_values(project: Project) -> None:
    spec = load_variants()["pruned_teacher_50pct"]
    file = project.folder / "experiments" / "variants" / "pruned_teacher_50pct.yaml"
    file.write_text(spec.yaml({"ffn_ratio": 0.65, "optimizer.learning_rate": 5e-5}))
    again = load_variants()["pruned_teacher_50pct"]
    values = {"ffn_ratio": 0.65, "optimizer.learning_rate": 5e-5}
    assert again.config == spec.tuned(values).config
    assert (again.config.heads_ratio, again.config.ffn_ratio) == (0.5, 0.65)
    assert again.search == spec.search
    assert again.source == spec.source

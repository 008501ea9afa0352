"""A mistake in a settings mapping or a YAML file becomes one message that names its place."""

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import pytest
from pydantic import Field

from fincompress.config import (
    UserError,
    dump,
    fingerprint,
    flatten,
    nearest,
    parse,
    read_yaml,
    settings,
)


@settings
class Inner:
    size: Annotated[int, Field(ge=1)] = 4
    kind: Literal["round", "square"] = "round"


@settings
class Outer:
    name: str
    rate: Annotated[float, Field(gt=0, lt=1)] = 0.5
    inner: Inner = Inner()
    rows: tuple[Inner, ...] = ()
    note: str | None = None
    places: tuple[int, ...] = ()


@settings
class Pair:
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("Low must not exceed high")


def refusal(cls: type, data: object) -> str:
    with pytest.raises(UserError) as caught:
        parse(cls, data, "study.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"rate": 0.1}, "missing key 'name'"),
        ({"name": "a", "rat": 0.1}, "unknown key 'rat'; did you mean 'rate'?"),
        (
            {"name": "a", "zzz": 1},
            "unknown key 'zzz'; known: inner, name, note, places, rate, rows",
        ),
        ({"name": 7}, "name: input should be a valid string, not 7"),
        ({"name": "a", "rate": "0.1"}, "rate: input should be a valid number, not '0.1'"),
        ({"name": "a", "rate": True}, "rate: input should be a valid number, not True"),
        ({"name": "a", "rate": 0.0}, "rate: input should be greater than 0, not 0.0"),
        ({"name": "a", "rate": 1}, "rate: input should be less than 1, not 1"),
        ({"name": "a", "rate": float("nan")}, "rate: input should be less than 1, not nan"),
        ({"name": "a", "places": 3}, "places: input should be a valid array, not 3"),
        (
            {"name": "a", "inner": {"size": 0}},
            "inner.size: input should be greater than or equal to 1, not 0",
        ),
        (
            {"name": "a", "inner": {"size": 2.0}},
            "inner.size: input should be a valid integer, not 2.0",
        ),
        (
            {"name": "a", "inner": {"kind": "rond"}},
            "inner.kind: input should be 'round' or 'square', not 'rond'",
        ),
        ({"name": "a", "inner": {"siz": 2}}, "inner: unknown key 'siz'; did you mean 'size'?"),
        (
            {"name": "a", "rows": [{"size": 1}, {"sized": 2}]},
            "rows.1: unknown key 'sized'; did you mean 'size'?",
        ),
        ([1], "input should be an object, not [1]"),
        (None, "input should be an object, not None"),
    ],
)
def test_a_mistake_is_named_with_place_rule_and_value(data: object, message: str) -> None:
    assert refusal(Outer, data) == f"study.yaml: {message}"


def test_a_rule_over_several_keys_is_told_in_its_own_words() -> None:
    assert refusal(Pair, {"low": 2, "high": 1}) == "study.yaml: low must not exceed high"


def test_lists_become_tuples_and_defaults_fill_in() -> None:
    made = parse(Outer, {"name": "a", "rows": [{"size": 9}], "places": [2, 1]}, "study.yaml")
    assert made == Outer(name="a", rows=(Inner(size=9),), places=(2, 1))
    assert (made.rate, made.inner, made.note) == (0.5, Inner(size=4, kind="round"), None)


def test_settings_are_frozen() -> None:
    made = Outer(name="a")
    with pytest.raises(FrozenInstanceError):
        made.name = "b"  # type: ignore[misc]
    assert made.name == "a"


def test_settings_check_themselves_when_made_in_code() -> None:
    with pytest.raises(pydantic.ValidationError, match="less than 1"):
        Outer(name="a", rate=2.0)


def test_dump_gives_plain_types_that_parse_back() -> None:
    made = Outer(name="a", rows=(Inner(size=9),), places=(2, 1))
    plain = dump(made)
    assert plain == {
        "name": "a",
        "rate": 0.5,
        "inner": {"size": 4, "kind": "round"},
        "rows": [{"size": 9, "kind": "round"}],
        "note": None,
        "places": [2, 1],
    }
    assert parse(Outer, plain, "again") == made


def test_flatten_joins_nested_keys_with_dots() -> None:
    nested = {"a": {"b": 1, "c": {"d": [2, 3]}}, "e": None}
    assert flatten(nested) == {"a.b": 1, "a.c.d": [2, 3], "e": None}


def test_fingerprint_is_the_start_of_the_sha256_of_compact_sorted_json() -> None:
    # sha256 of {"a":1,"b":["é"]}, taken with another program
    assert fingerprint({"b": ["é"], "a": 1}) == "023a8698a7c3c25e"


def test_fingerprint_ignores_the_order_of_keys_at_every_depth() -> None:
    one = {"a": 1, "b": {"c": 2, "d": 3}}
    other = {"b": {"d": 3, "c": 2}, "a": 1}
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    "other", [{"a": 2, "b": [1, 2]}, {"a": 1, "b": [2, 1]}, {"a": "1", "b": [1, 2]}, {"a": 1}]
)
def test_fingerprint_changes_with_any_value(other: dict[str, Any]) -> None:
    assert fingerprint(other) != fingerprint({"a": 1, "b": [1, 2]})


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("finetun", ["prune", "finetune"], "did you mean 'finetune'?"),
        ("xyz", ["b", "a"], "known: a, b"),
        ("xyz", [], "known: none"),
    ],
)
def test_nearest_offers_the_likely_name_else_all_of_them(
    name: str, known: list[str], hint: str
) -> None:
    assert nearest(name, known) == hint


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5e-5", 5e-5),
        ("1E3", 1000.0),
        ("-2e+2", -200.0),
        ("1.e4", 10000.0),
        ("0.25", 0.25),
        ("'5e-5'", "5e-5"),
        ("e5", "e5"),
        ("5", 5),
    ],
)
def test_yaml_numbers_are_those_of_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"rate: {text}\n")
    read = read_yaml(file)
    assert read == {"rate": value}
    assert type(read["rate"]) is type(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- a\n- b\n", "must hold a mapping, not list"),
        ("", "must hold a mapping, not NoneType"),
        ("a word", "must hold a mapping, not str"),
        ("a: [1\n", "cannot be read as YAML: while parsing a flow sequence"),
        ("a: !!python/name:os.system\n", "cannot be read as YAML: could not determine"),
    ],
)
def test_yaml_without_a_mapping_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        read_yaml(file)
    assert str(caught.value).startswith(f"{file}: {reason}")
    assert "\n" not in str(caught.value)


def test_yaml_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"name: caf\xe9\n")
    with pytest.raises(UserError, match=r"a\.yaml: cannot be read as YAML: .*utf-8"):
        read_yaml(file)


def test_a_missing_yaml_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml: cannot be read as YAML: .*No such file"):
        read_yaml(tmp_path / "none.yaml")

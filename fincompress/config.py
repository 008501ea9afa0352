"""Mappings and YAML become frozen, validated values; a mistake becomes one clear message."""

import difflib
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, dataclass_transform, get_args, get_type_hints

import pydantic
import yaml
from pydantic.dataclasses import dataclass as pydantic_dataclass

_T = TypeVar("_T")
Positive = Annotated[int, pydantic.Field(ge=1)]  # the type of settings that count something
UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")  # pydantic's types of that error


class UserError(Exception):
    """Something the user can put right; the CLI prints it as one message without a traceback."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(cls: type[_T]) -> type[_T]:
    """Make `cls` a frozen, keyword-only dataclass that checks its own types and bounds.

    Constructing one with a wrong value raises `pydantic.ValidationError`; `parse` turns that
    into a `UserError` that names the place.
    """
    strict = pydantic.ConfigDict(extra="forbid", strict=True)
    made: Any = pydantic_dataclass(frozen=True, kw_only=True, config=strict)
    return cast(type[_T], made(cls))


def parse(cls: type[_T], data: object, where: str) -> _T:
    """Return `data` as a `cls`; raise `UserError` with place, rule, value and nearest name."""
    try:
        text = json.dumps(data, default=str)
    except TypeError as error:
        raise UserError(f"{where}: {error}") from None
    try:
        # JSON mode lets a list be a tuple while every scalar stays strict.
        return pydantic.TypeAdapter(cls).validate_json(text)
    except pydantic.ValidationError as error:
        raise UserError(f"{where}: {_explain(cls, error)}") from None


def dump(value: object) -> dict[str, Any]:
    """Return a settings value as plain JSON types, the form that is logged and fingerprinted."""
    plain: dict[str, Any] = pydantic.TypeAdapter(type(value)).dump_python(value, mode="json")
    return plain


def flatten(mapping: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` becomes `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def fingerprint(value: object) -> str:
    """16 hex digits that depend on the JSON form of `value` and on nothing else."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an 'unknown name' message: the likely name if there is one, else all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(names) or 'none'}"


class _Loader(yaml.SafeLoader):
    """YAML 1.2's idea of a float: `5e-5` is a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; raise `UserError` if there is none."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # a SafeLoader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: must hold a mapping, not {type(data).__name__}")
    return data


def _explain(cls: type, error: pydantic.ValidationError) -> str:
    errors = error.errors(include_url=False)
    # A name that is misspelt is missing too, and the spelling is what to say.
    errors.sort(key=lambda e: e["type"] not in UNKNOWN)
    # A field of several types has an error for each; the deepest is of the type that was meant.
    same_field = [e for e in errors if e["loc"][:1] == errors[0]["loc"][:1]]
    first = max(same_field, key=lambda e: len(e["loc"]))
    where = [str(part) for part in first["loc"] if "[" not in str(part)]
    if first["type"] in UNKNOWN:
        known = _names_at(cls, where[:-1])
        return f"{_path(where[:-1])}unknown key '{where[-1]}'; {nearest(where[-1], known)}"
    if first["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{_path(where[:-1])}missing key '{where[-1]}'"
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    given = first["input"]
    shown = "" if isinstance(given, dict) else f", not {given!r}"
    return f"{_path(where)}{message}{shown}"


def _path(parts: list[str]) -> str:
    return f"{'.'.join(parts)}: " if parts else ""


def _names_at(cls: type, where: list[str]) -> list[str]:
    here: Any = cls
    for name in where:
        hint = get_type_hints(here).get(name, here)
        here = next((t for t in (hint, *get_args(hint)) if is_dataclass(t)), here)
    return [field.name for field in fields(here)]

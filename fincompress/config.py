"""Settings: frozen dataclasses that are checked, parsed from YAML, dumped and fingerprinted."""

import difflib
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from math import inf
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, dataclass_transform, get_args, get_type_hints

import pydantic
import yaml
from pydantic.dataclasses import dataclass as pydantic_dataclass

_T = TypeVar("_T")
Positive = Annotated[int, pydantic.Field(ge=1)]  # the type of settings that count something
_UNKNOWN_KEY = ("unexpected_keyword_argument", "extra_forbidden")  # pydantic's error types
_MISSING_KEY = ("missing", "missing_argument", "missing_keyword_only_argument")


class UserError(Exception):
    """An error that the user can correct; the CLI prints its message without a traceback."""


class IncompleteError(UserError):
    """A part of what was asked for failed, and all else is done."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(cls: type[_T]) -> type[_T]:
    """Make `cls` a frozen, keyword-only dataclass that checks its own types and bounds.

    A wrong value raises `pydantic.ValidationError` in the constructor, and in `parse` a `UserError`
    that says where it is.
    """
    strict = pydantic.ConfigDict(extra="forbid", strict=True)
    decorate: Any = pydantic_dataclass(frozen=True, kw_only=True, config=strict)
    return cast(type[_T], decorate(cls))


def parse(cls: type[_T], data: object, where: str) -> _T:
    """Return plain `data`, such as a mapping from YAML, as the settings class `cls`.

    `where` begins every message: a file, or a key in it. Raises `UserError` with the key, the rule
    and the value for the first mistake, and with the nearest known name for an unknown key.
    """
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
    """Return settings in plain JSON types, the form in which they are logged and fingerprinted."""
    plain: dict[str, Any] = pydantic.TypeAdapter(type(value)).dump_python(value, mode="json")
    return plain


def flatten(mapping: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one, with dotted keys: `{"a.b": 1}` for `{"a": {"b": 1}}`."""
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def fingerprint(value: object) -> str:
    """Return the first 16 hex digits of the sha256 of `value` as JSON with sorted keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown `name`: the closest known one, or all."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(names) or 'none'}"


class _Loader(yaml.SafeLoader):
    """Reads `5e-5` as a number, as in YAML 1.2; PyYAML takes it for text."""


class _Dumper(yaml.SafeDumper):
    """Quotes what `_Loader` would not take for text."""


for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"),
        list("-+0123456789"),
    )


def yaml_in_a_line(value: object) -> str:
    """Return plain data as YAML in one line, which `read_yaml` takes for the same."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, width=inf,
        allow_unicode=True,
    )  # fmt: skip
    return text.removesuffix("...\n").strip()


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises `UserError` if the file cannot be read, or holds something else.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # a SafeLoader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: must hold a mapping, not {type(data).__name__}")
    return data


def _explain(cls: type, error: pydantic.ValidationError) -> str:
    errors = error.errors(include_url=False)
    # A misspelt key is also reported as missing: the spelling comes first.
    errors.sort(key=lambda e: e["type"] not in _UNKNOWN_KEY)
    # A field of several types has an error for each; the deepest is the type that was meant.
    same_field = [e for e in errors if e["loc"][:1] == errors[0]["loc"][:1]]
    first = max(same_field, key=lambda e: len(e["loc"]))
    keys = [str(part) for part in first["loc"] if "[" not in str(part)]
    if first["type"] in _UNKNOWN_KEY:
        known = _field_names(cls, keys[:-1])
        return f"{_prefix(keys[:-1])}unknown key '{keys[-1]}'; {nearest(keys[-1], known)}"
    if first["type"] in _MISSING_KEY:
        return f"{_prefix(keys[:-1])}missing key '{keys[-1]}'"
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    given = first["input"]
    shown = "" if isinstance(given, dict) else f", not {given!r}"
    return f"{_prefix(keys)}{message}{shown}"


def _prefix(keys: list[str]) -> str:
    return f"{'.'.join(keys)}: " if keys else ""


def _field_names(cls: type, keys: list[str]) -> list[str]:
    """Return the fields of the settings class that `keys` lead to from `cls`."""
    current: Any = cls
    for key in keys:
        hint = get_type_hints(current).get(key, current)
        current = next((t for t in (hint, *get_args(hint)) if is_dataclass(t)), current)
    return [field.name for field in fields(current)]

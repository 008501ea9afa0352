"""A variant's `search:` becomes a space of ranges and choices, each value of which it may hold."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from pydantic import Field

from fincompress.config import UserError, dump, flatten, nearest, parse, settings

T = TypeVar("T")
Scalar = bool | int | float | str
Number = int | float


@settings
class Range:
    """Numbers from `low` to `high`, both included: whole ones where the config holds whole ones.

    `log` draws them evenly on a log scale; `step` keeps to `low`, `low + step` and so on.
    """

    low: Number
    high: Number
    log: bool = False
    step: Number | None = None

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        steps = (value - self.low) / self.step if self.step else 0.0
        return abs(steps - round(steps)) < 1e-9

    def __str__(self) -> str:
        return f"{self.low} to {self.high}" + (f" by {self.step}" if self.step else "")


@settings
class Choices:
    """One of these values."""

    choices: Annotated[tuple[Scalar, ...], Field(min_length=2)]

    def __contains__(self, value: object) -> bool:
        return value in self.choices

    def __str__(self) -> str:
        return ", ".join(str(choice) for choice in self.choices)


Dimension = Range | Choices
Space = Mapping[str, Dimension]  # by key of the config, dotted where it is nested


def read_space(data: Mapping[str, Any], config: object, place: str) -> Space:
    """Return the space that `data` describes around `config`.

    Raises `UserError` for a key that the config does not have, for bounds the wrong way round or
    outside what the config allows, and for a space that leaves out the config's own value: that
    is the first trial.
    """
    values = flatten(dump(config))
    space = {}
    for name, entry in data.items():
        if name not in values:
            raise UserError(f"{place}: unknown key '{name}'; {nearest(name, values)}")
        space[name] = _dimension(entry, values[name], f"{place}.{name}")
        for end in _ends(space[name]):
            with_values(config, {name: end}, place)
        if values[name] not in space[name]:
            raise UserError(
                f"{place}.{name}: must include the variant's own value {values[name]}, not just "
                f"{space[name]}"
            )
    return space


def with_values(config: T, values: Mapping[str, Scalar], place: str) -> T:
    """Return `config` with `values` at their (dotted) keys; raise `UserError` for a wrong one."""
    data = dump(config)
    for name, value in values.items():
        *path, last = name.split(".")
        here = data
        for part in path:
            here = here[part]
        here[last] = value
    return parse(type(config), data, place)


def tidy(value: Scalar) -> Scalar:
    """Six digits of a float: 0.1 + 0.05 is then 0.15, and a YAML of it can be read."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _dimension(entry: object, own: object, place: str) -> Dimension:
    if isinstance(entry, dict) and "choices" in entry:
        return parse(Choices, entry, place)
    found = parse(Range, entry, place)
    if isinstance(own, bool) or not isinstance(own, int | float):
        raise UserError(f"{place}: '{own}' is no number; give it `choices: [...]`")
    if isinstance(own, float):
        step = None if found.step is None else float(found.step)
        found = replace(found, low=float(found.low), high=float(found.high), step=step)
    elif isinstance(found.step, float):
        raise UserError(f"{place}: step must be a whole number, not {found.step}")
    if found.low >= found.high:
        raise UserError(f"{place}: low must be below high, not {found.low} and {found.high}")
    if found.step is not None and found.step <= 0:
        raise UserError(f"{place}: step must be above 0, not {found.step}")
    if found.log and (found.low <= 0 or found.step is not None):
        raise UserError(f"{place}: log needs a low above 0 and no step, not {entry}")
    return found


def _ends(dimension: Dimension) -> tuple[Scalar, ...]:
    if isinstance(dimension, Choices):
        return dimension.choices
    return (dimension.low, dimension.high)

"""Search space of a variant: ranges and choices for the keys of its config, read and checked."""

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
    """An interval of numbers, whole ones if the config's own value is a whole number.

    `low`, `high`: its ends, both included. `log`: draw evenly on a logarithmic scale, for which
    `low` must be above 0. `step`: draw only `low`, `low + step`, and so on; not with `log`.
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
    """A list of values to choose from.

    `choices`: the values, at least two.
    """

    choices: Annotated[tuple[Scalar, ...], Field(min_length=2)]

    def __contains__(self, value: object) -> bool:
        return value in self.choices

    def __str__(self) -> str:
        return ", ".join(str(choice) for choice in self.choices)


Dimension = Range | Choices
Space = Mapping[str, Dimension]  # by key of the config, dotted where it is nested


def read_space(data: Mapping[str, Any], config: object, where: str) -> Space:
    """Return the search space that `data`, a variant's `search:`, describes for `config`.

    `where` names the file and key in messages. Raises `UserError` for a key that the config does
    not have, for bounds that are reversed or outside what the config allows, and for a space that
    leaves out the config's own value, which the first trial uses.
    """
    values = flatten(dump(config))
    space = {}
    for name, entry in data.items():
        if name not in values:
            raise UserError(f"{where}: unknown key '{name}'; {nearest(name, values)}")
        space[name] = _dimension(entry, values[name], f"{where}.{name}")
        for end in _ends(space[name]):
            with_values(config, {name: end}, where)
        if values[name] not in space[name]:
            raise UserError(
                f"{where}.{name}: must include the variant's own value {values[name]}, not just "
                f"{space[name]}"
            )
    return space


def with_values(config: T, values: Mapping[str, Scalar], where: str) -> T:
    """Return `config` with `values` at their (dotted) keys; raise `UserError` if one is invalid."""
    data = dump(config)
    for name, value in values.items():
        *path, last = name.split(".")
        section = data
        for part in path:
            section = section[part]
        section[last] = value
    return parse(type(config), data, where)


def tidy(value: Scalar) -> Scalar:
    """Round a float to six digits, so that 0.1 + 0.05 is written as 0.15 into a YAML file."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _dimension(entry: object, own: object, where: str) -> Dimension:
    if isinstance(entry, dict) and "choices" in entry:
        return parse(Choices, entry, where)
    interval = parse(Range, entry, where)
    if isinstance(own, bool) or not isinstance(own, int | float):
        raise UserError(f"{where}: '{own}' is not a number; use `choices: [...]`")
    if isinstance(own, float):
        step = None if interval.step is None else float(interval.step)
        interval = replace(interval, low=float(interval.low), high=float(interval.high), step=step)
    elif isinstance(interval.step, float):
        raise UserError(f"{where}: step must be a whole number, not {interval.step}")
    if interval.low >= interval.high:
        raise UserError(f"{where}: low must be below high, not {interval.low} and {interval.high}")
    if interval.step is not None and interval.step <= 0:
        raise UserError(f"{where}: step must be above 0, not {interval.step}")
    if interval.log and (interval.low <= 0 or interval.step is not None):
        raise UserError(f"{where}: log needs a low above 0 and no step, not {entry}")
    return interval


def _ends(dimension: Dimension) -> tuple[Scalar, ...]:
    if isinstance(dimension, Choices):
        return dimension.choices
    return (dimension.low, dimension.high)

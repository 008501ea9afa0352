"""Callbacks: what a technique reports while it runs, as metrics by step, figures and facts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

Step = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True)
class Chart:
    """A chart of lines, to be drawn.

    `title`: the heading. `x` and `y`: the names of the axes. `lines`: the (x, y) points of each
    line, by its name. `right_y`: the name of a second vertical axis, on the right. `right`: the
    lines that belong to that axis.
    """

    title: str
    x: str
    y: str
    lines: Mapping[str, list[tuple[float, float]]]
    right_y: str = ""
    right: Mapping[str, list[tuple[float, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Heatmap:
    """A grid of values, to be drawn in colours.

    `title`: the heading. `x`: the name of the horizontal axis. `rows`: the values of each row, by
    its name; rows may have different lengths.
    """

    title: str
    x: str
    rows: Mapping[str, list[float]]


class StopTraining(BaseException):
    """Raised by a callback to stop a training whose result is not needed.

    Not an `Exception`, since nothing has gone wrong.
    """


class Callback(Protocol):
    """Receives what a technique reports."""

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        """Receive the metrics of a step, which is an epoch of training unless a method has others.

        May raise `StopTraining`.
        """

    def show(self, name: str, figure: Chart | Heatmap) -> None:
        """Receive a figure; `name` is the file's, without an ending."""

    def record(self, name: str, facts: Mapping[str, object]) -> None:
        """Receive facts that JSON can hold; `name` is the file's, without an ending."""


def after_epochs(done: int, callback: Step) -> Step:
    """Return `callback` for a training that follows `done` epochs of another: steps go on."""
    return lambda epoch, metrics: callback(done + epoch, metrics)

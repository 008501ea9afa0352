"""What a technique tells of its work while it runs: numbers by step, and figures to be drawn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

Step = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True)
class Chart:
    """Lines of (x, y) points by name. `right` are lines with an axis of their own."""

    title: str
    x: str
    y: str
    lines: Mapping[str, list[tuple[float, float]]]
    right_y: str = ""
    right: Mapping[str, list[tuple[float, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Heatmap:
    """One row of values for each name; rows may be of unlike lengths."""

    title: str
    x: str
    rows: Mapping[str, list[float]]


class StopTraining(BaseException):
    """Raised by a report to end the work: nobody needs what it would become.

    Not an `Exception`, as nothing has gone wrong.
    """


class Callback(Protocol):
    """Receives a step's metrics when called, and figures and facts by `show` and `record`."""

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None: ...

    def show(self, name: str, figure: Chart | Heatmap) -> None: ...

    def record(self, name: str, facts: Mapping[str, object]) -> None: ...


def after_epochs(done: int, callback: Step) -> Step:
    """`callback` for training that starts when `done` epochs are over."""
    return lambda epoch, metrics: callback(done + epoch, metrics)

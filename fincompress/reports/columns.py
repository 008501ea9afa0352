"""Metrics with their intervals become the cells of a table, and rows of cells its Markdown.

A cell is a function of one row, and empty where the row has no such metric.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from fincompress.evaluation.results import TEST, difference_keys, format_points
from fincompress.promotion import TEACHER


class Scored(Protocol):
    """What has a row of its own: a measured variant, or one over several seeds."""

    @property
    def variant(self) -> str: ...

    @property
    def metrics(self) -> Mapping[str, float]: ...

    @property
    def intervals(self) -> Mapping[str, tuple[float, float]]: ...


Cell = Callable[[Any], str]  # of a row


def metric_cell(key: str, write: Callable[[float], str]) -> Cell:
    """A metric as `write` puts it."""

    def cell(own: Scored) -> str:
        return write(own.metrics[key]) if key in own.metrics else ""

    return cell


def metric_with_interval(key: str, write: Callable[[float], str]) -> Cell:
    """A metric, and its interval if it has one, as `write` puts them."""

    def cell(own: Scored) -> str:
        if key not in own.metrics:
            return ""
        ends = [write(end) for end in own.intervals.get(key, ())]
        return write(own.metrics[key]) + (f" [{', '.join(ends)}]" if ends else "")

    return cell


def with_interval(key: str, digits: int = 3, scale: float = 1.0) -> Cell:
    """A metric, times `scale`, and its interval if it has one."""
    return metric_with_interval(key, lambda value: f"{scale * value:.{digits}f}")


def difference_cell(other: str, part: str = TEST) -> Cell:
    """The difference of macro-F1 to the `teacher` or the `source`, in points."""
    key, _ = difference_keys(other, part)

    def cell(own: Scored) -> str:
        return (
            format_points(own.metrics[key], own.intervals[key])
            if _compared(own, key, other)
            else ""
        )

    return cell


def p_value_cell(other: str, part: str = TEST) -> Cell:
    """McNemar's p of being right as often as the `teacher` or the `source`."""
    _, key = difference_keys(other, part)

    def cell(own: Scored) -> str:
        return f"{own.metrics[key]:.2g}" if _compared(own, key, other) else ""

    return cell


def _compared(own: Scored, key: str, other: str) -> bool:
    """Whether there is such a metric; the teacher's to itself says nothing."""
    return key in own.metrics and not (own.variant == TEACHER and other == "teacher")


def markdown_table(
    rows: Sequence[Scored], columns: Mapping[str, Cell], names: Mapping[str, str] | None = None
) -> str:
    """Return Markdown with the columns that have something to say; `names` replace the variants'.

    It is empty if no column has.
    """
    texts = [{name: cell(row) for name, cell in columns.items()} for row in rows]
    used = [name for name in columns if any(cells[name] for cells in texts)]
    if not used:
        return ""
    lines = ["| " + " | ".join(["variant", *used]) + " |", "|---" * (1 + len(used)) + "|"]
    for row, cells in zip(rows, texts, strict=True):
        name = (names or {}).get(row.variant, row.variant)
        lines.append("| " + " | ".join([name, *(cells[column] for column in used)]) + " |")
    return "\n".join(lines)

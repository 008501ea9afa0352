"""Table columns: cells made from metrics and their intervals, and Markdown made from cells.

A cell is a function of one row, and empty where the row has no such metric.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from fincompress.evaluation.metrics import class_f1_name
from fincompress.evaluation.results import EXTRA, TEST, difference_keys, format_points, origin_key
from fincompress.promotion import TEACHER


class Scored(Protocol):
    """A row of a table: a variant that was measured, or built with several seeds."""

    @property
    def variant(self) -> str:
        """The name of the row."""
        ...

    @property
    def metrics(self) -> Mapping[str, float]:
        """Its metrics by key; a cell is empty where its metric is missing."""
        ...

    @property
    def intervals(self) -> Mapping[str, tuple[float, float]]:
        """The 95 % intervals of some of these metrics."""
        ...


Cell = Callable[[Any], str]  # of a row


def metric_cell(key: str, write: Callable[[float], str]) -> Cell:
    """Return a cell of the metric `key`, formatted by `write`."""

    def cell(own: Scored) -> str:
        return write(own.metrics[key]) if key in own.metrics else ""

    return cell


def metric_with_interval(key: str, write: Callable[[float], str]) -> Cell:
    """Return a cell of the metric `key` with its interval, if it has one, formatted by `write`."""

    def cell(own: Scored) -> str:
        if key not in own.metrics:
            return ""
        ends = [write(end) for end in own.intervals.get(key, ())]
        return write(own.metrics[key]) + (f" [{', '.join(ends)}]" if ends else "")

    return cell


def with_interval(key: str, digits: int = 3, scale: float = 1.0) -> Cell:
    """Return a cell of the metric `key` times `scale`, with its interval if it has one."""
    return metric_with_interval(key, lambda value: f"{scale * value:.{digits}f}")


def difference_cell(other: str, part: str = TEST) -> Cell:
    """Return a cell of the difference in macro-F1 to `other`, `teacher` or `source`, in points."""
    key, _ = difference_keys(other, part)

    def cell(own: Scored) -> str:
        return (
            format_points(own.metrics[key], own.intervals[key])
            if _compared(own, key, other)
            else ""
        )

    return cell


def p_value_cell(other: str, part: str = TEST) -> Cell:
    """Return a cell of McNemar's p for the difference to `other`, `teacher` or `source`."""
    _, key = difference_keys(other, part)

    def cell(own: Scored) -> str:
        return f"{own.metrics[key]:.2g}" if _compared(own, key, other) else ""

    return cell


def origin_columns(rows: Sequence[Scored]) -> dict[str, Cell]:
    """Return cells of macro-F1 on the sentences of each origin, of test and of the extra files."""
    cells: dict[str, Cell] = {}
    for part, prefix in ((TEST, ""), (EXTRA, "extra: ")):
        start = origin_key("", part)
        keys = {key for row in rows for key in row.metrics if key.startswith(start)}
        cells |= {prefix + key.removeprefix(start): with_interval(key) for key in sorted(keys)}
    return cells


def class_columns(rows: Sequence[Scored]) -> dict[str, Cell]:
    """Return cells of the F1 of each class on test, in the order of the labels."""
    start = f"{TEST}/{class_f1_name('')}"
    others = {difference_keys(other, TEST)[0] for other in ("teacher", "source")}
    keys = dict.fromkeys(
        key for row in rows for key in row.metrics if key.startswith(start) and key not in others
    )
    return {f"F1 {key.removeprefix(start)}": with_interval(key) for key in keys}


def _compared(own: Scored, key: str, other: str) -> bool:
    """Whether the row has the metric and is not the teacher compared with itself."""
    return key in own.metrics and not (own.variant == TEACHER and other == "teacher")


def table_cells(
    rows: Sequence[Scored], columns: Mapping[str, Cell], names: Mapping[str, str] | None = None
) -> list[list[str]]:
    """Return the texts of a table by row, its heading first.

    Columns that are empty in every row are left out; without any other there is no row at all.
    `names` are shown instead of the variants' own, by variant.
    """
    texts = [{name: cell(row) for name, cell in columns.items()} for row in rows]
    used = [name for name in columns if any(cells[name] for cells in texts)]
    if not used:
        return []
    shown = names or {}
    return [["variant", *used]] + [
        [shown.get(row.variant, row.variant), *(cells[column] for column in used)]
        for row, cells in zip(rows, texts, strict=True)
    ]


def markdown_table(
    rows: Sequence[Scored], columns: Mapping[str, Cell], names: Mapping[str, str] | None = None
) -> str:
    """Return `table_cells` as Markdown, empty if there are none."""
    lines = ["| " + " | ".join(cells) + " |" for cells in table_cells(rows, columns, names)]
    if lines:
        lines.insert(1, "|---" * (lines[0].count(" | ") + 1) + "|")
    return "\n".join(lines)

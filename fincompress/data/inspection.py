"""Inspection: what a user's file of labelled texts holds, before a study is made of it."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fincompress.config import UserError
from fincompress.data.files import read_records, require_column
from fincompress.data.labels import FEWEST_LABELS, MOST_LABELS, SENTIMENT, check_labels, label_text
from fincompress.data.sentences import clean_text
from fincompress.data.splits import check_classes

# Names that such columns often have, the likeliest first.
TEXT_COLUMNS = (
    "text", "sentence", "review", "content", "message", "comment", "headline", "title", "body",
    "tweet", "document",
)  # fmt: skip
LABEL_COLUMNS = (
    "label", "labels", "sentiment", "class", "category", "topic", "intent", "target", "rating",
    "stars", "score",
)  # fmt: skip


@dataclass(frozen=True)
class Conflict:
    """A text that stands in several rows with different labels.

    `text`: the text. `labels`: the label of each of these rows, in order.
    """

    text: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class LabelledFile:
    """What a file holds.

    `path`: the file. `columns`: the names of all columns. `text_column`, `label_column`: those that
    were read. `rows`: how many there are. `texts`: those that differ, cleaned. `labels`: the names
    of the labels, in the order of a study made of it. `counts`: how many of `texts` have each
    label, where of a repeated text the first row counts. `conflicts`: the repeated texts with
    several labels.
    """

    path: Path
    columns: tuple[str, ...]
    text_column: str
    label_column: str
    rows: int
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    counts: dict[str, int]
    conflicts: tuple[Conflict, ...]


def inspect_file(path: Path, text_column: str = "", label_column: str = "") -> LabelledFile:
    """Read a file of labelled texts, and return what it holds.

    A column that is not named is looked for by its usual names. Labels that differ in case alone
    are one, in its most frequent spelling. Raises `UserError` for a file that no study can be made
    of, with the reason: a missing column, an empty cell, too few or too many labels, a label that
    is too rare to be split.
    """
    records = read_records(path)
    columns = list(records[0])
    text_column = _find(path, columns, text_column, TEXT_COLUMNS, "text")
    label_column = _find(path, columns, label_column, LABEL_COLUMNS, "label")
    cells = [(record[text_column], record[label_column]) for record in records]
    _check_filled(path, text_column, [text for text, _ in cells])
    _check_filled(path, label_column, [label for _, label in cells])
    number = next((n for n, (text, _) in enumerate(cells, start=1) if not isinstance(text, str)), 0)
    if number:
        found = cells[number - 1][0]
        raise UserError(f"{path}: row {number}: '{text_column}' must be a sentence, not {found!r}")
    texts = [clean_text(text) for text, _ in cells]
    names = _spellings(label_text(label) for _, label in cells)
    _check_number(path, label_column, names)
    labels = [names[label_text(label).casefold()] for _, label in cells]
    by_text = defaultdict[str, list[str]](list)
    for text, label in zip(texts, labels, strict=True):
        by_text[text].append(label)
    counts = Counter(given[0] for given in by_text.values())
    ordered = _in_order(names.values())
    check_classes(counts, ordered)
    conflicts = [Conflict(text, tuple(given)) for text, given in by_text.items()
                 if len(set(given)) > 1]  # fmt: skip
    return LabelledFile(
        path=path,
        columns=tuple(columns),
        text_column=text_column,
        label_column=label_column,
        rows=len(records),
        texts=tuple(by_text),
        labels=ordered,
        counts={label: counts[label] for label in ordered},
        conflicts=tuple(conflicts),
    )


def _find(path: Path, columns: Sequence[str], given: str, usual: Sequence[str], what: str) -> str:
    if given:
        require_column(path, columns, given)
        return given
    by_name = {column.strip().casefold(): column for column in reversed(columns)}
    found = next((by_name[name] for name in usual if name in by_name), None)
    if found is None:
        raise UserError(
            f"{path}: which column holds the {what}s? Name it by --{what}-column; "
            f"found: {', '.join(columns)}"
        )
    return found


def _check_filled(path: Path, column: str, cells: Sequence[object]) -> None:
    empty = [number for number, cell in enumerate(cells, start=1)
             if cell is None or not clean_text(str(cell))]  # fmt: skip
    if empty:
        rows = ", ".join(map(str, empty[:5])) + (", ..." if len(empty) > 5 else "")
        raise UserError(
            f"{path}: '{column}' is empty in {len(empty)} of {len(cells)} rows ({rows}); "
            "remove or complete them"
        )


def _spellings(labels: Iterable[str]) -> dict[str, str]:
    """The most frequent spelling of each label, by the label without case."""
    spellings = dict[str, str]()
    for label, _ in Counter(labels).most_common():
        spellings.setdefault(label.casefold(), label)
    return spellings


def _check_number(path: Path, column: str, names: dict[str, str]) -> None:
    if len(names) < FEWEST_LABELS:
        raise UserError(f"{path}: '{column}' is '{next(iter(names.values()))}' in every row")
    if len(names) > MOST_LABELS:
        raise UserError(
            f"{path}: '{column}' has {len(names)} different values, and a study has at most "
            f"{MOST_LABELS} labels; name another column by --label-column, or merge labels"
        )
    try:
        check_labels(tuple(names.values()))
    except ValueError as error:
        raise UserError(f"{path}: '{column}': {error}") from None


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Labels by number or name; those of the shipped studies in their order."""
    found = sorted(names, key=str.casefold)
    if [name.casefold() for name in found] == sorted(SENTIMENT):
        found.sort(key=lambda name: SENTIMENT.index(name.casefold()))
    elif all(re.fullmatch(r"[+-]?\d+", name) for name in found):
        found.sort(key=int)
    return tuple(found)

"""Files: reads CSV, JSON and Parquet files of labelled texts, and says what is wrong with one."""

import csv
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fincompress.config import UserError
from fincompress.data.labels import SENTIMENT, parse_label
from fincompress.data.sentences import Row, clean_text

FILE_TYPES = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}


@dataclass(frozen=True)
class TableFormat:
    """How the user's own files are laid out.

    `labels`: the names of the labels. `text_column`, `label_column`: the columns that are read.
    """

    labels: tuple[str, ...] = SENTIMENT
    text_column: str = "text"
    label_column: str = "label"


SENTIMENT_TABLE = TableFormat()


def read_file(path: Path, table: TableFormat = SENTIMENT_TABLE) -> list[Row]:
    """Return the rows of a CSV, JSON or Parquet file that is laid out as `table` says.

    Labels are names in any case, or indices; the origin is the file's name. Raises `UserError`,
    with the row, for a file that cannot be read or used.
    """
    column = table.label_column
    rows = enumerate(_texts(path, table.text_column, column), start=1)
    return [
        (text, parse_label(record[column], table.labels, f"{path}: row {number}"), path.stem)
        for number, (text, record) in rows
    ]


def file_texts(path: Path, column: str) -> list[str]:
    """Return the clean texts in one column of a file, whose others are not read."""
    return [text for text, _ in _texts(path, column)]


def _texts(path: Path, column: str, *others: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the clean text of every row, and the row, which has to have all those columns."""
    records = read_records(path)
    for needed in (column, *others):
        require_column(path, list(records[0]), needed)
    rows = []
    for number, record in enumerate(records, start=1):
        text = record[column]
        if not isinstance(text, str) or not clean_text(text):
            raise UserError(f"{path}: row {number}: '{column}' must be a sentence, not {text!r}")
        rows.append((clean_text(text), record))
    return rows


def require_column(path: Path, columns: Sequence[str], name: str) -> None:
    """Raise `UserError` unless the file `path`, which has `columns`, has the column `name`."""
    if name not in columns:
        raise UserError(f"{path}: column '{name}' is missing; found: {', '.join(columns)}")


def read_records(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a CSV, JSON or Parquet file, at least one; a CSV's cells are text.

    Raises `UserError` for a file that cannot be read, or has no rows.
    """
    records = _read_records(path)
    if not records:
        raise UserError(f"{path}: has no rows")
    return records


def _read_records(path: Path) -> list[dict[str, Any]]:
    if path.suffix not in FILE_TYPES:
        raise UserError(f"{path}: a file must end in {', '.join(FILE_TYPES)}")
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if path.suffix != ".parquet":
        try:
            path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: must be UTF-8; byte {error.start} is not") from None
    import datasets  # slow to import, and needed for users' own files alone

    datasets.disable_progress_bars()
    options: dict[str, Any] = {}
    if path.suffix == ".csv":
        # Every column is text: "NA" stays a word, and "1" a label.
        text = datasets.Value("string")
        names = _header(path)
        if not names:
            return []
        features = datasets.Features(dict.fromkeys(names, text))
        options = {"keep_default_na": False, "features": features, "encoding": "utf-8-sig"}
    reader = getattr(datasets.Dataset, f"from_{FILE_TYPES[path.suffix]}")
    with tempfile.TemporaryDirectory() as cache:
        try:
            return list(reader(str(path), cache_dir=cache, keep_in_memory=True, **options))
        except Exception as error:  # datasets wraps the errors of each format's parser
            if "corresponds to no data" in str(error):
                return []
            reason = str(error.__cause__ or error) or type(error).__name__
            raise UserError(f"{path}: cannot be read: {reason.splitlines()[0]}") from None


def _header(path: Path) -> list[str]:
    """Return the names of a CSV file's columns; one without a name gets the one of pandas.

    Raises `UserError` for a row with more fields than columns, which pandas would shift.
    """
    with path.open(
        encoding="utf-8-sig", newline=""
    ) as file:  # spreadsheets write a byte order mark
        rows = csv.reader(file)
        try:
            names = [name or f"Unnamed: {n}" for n, name in enumerate(next(rows, []))]
            long = next((row for row in rows if len(row) > len(names)), None)
        except csv.Error as error:
            raise UserError(f"{path}: line {rows.line_num}: {error}") from None
        if long is not None:
            raise UserError(
                f"{path}: line {rows.line_num}: {len(long)} fields under {len(names)} columns; "
                "a text that contains commas needs quotes"
            )
    return names

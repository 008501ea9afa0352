"""Records: rows of CSV, JSONL, Parquet or plain lines, read and written a few at a time."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

from fincompress.config import UserError

CSV, JSONL, PARQUET, LINES = "csv", "jsonl", "parquet", "lines"
FORMAT_OF = {".csv": CSV, ".jsonl": JSONL, ".parquet": PARQUET, ".txt": LINES}
TEXT = "text"  # the column of plain lines
FIRST = 1000  # records that decide the columns of a JSONL file
ENCODING = "utf-8-sig"  # spreadsheets write a byte order mark
_LONGEST_CELL = 2**31 - 1
# What a spreadsheet takes for a formula: OWASP, "CSV injection".
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?\s*%?")

Record = dict[str, Any]


@dataclass(frozen=True)
class Records:
    """The records of a file that is being read.

    `columns`: their names, in order. `rows`: yields them, once. `share`: how much of the file has
    been read, from 0 to 1; None where its length is unknown. `schema`: returns the columns' Arrow
    types, which a Parquet file needs: of a JSONL file, those of its first rows.
    """

    columns: tuple[str, ...]
    rows: Iterator[Record]
    share: Callable[[], float | None]
    schema: Callable[[], Any]


def file_format(path: Path, option: str) -> str:
    """Return the format that the ending of `path` stands for.

    Raises `UserError`, which names the command's `option`, for another ending.
    """
    if path.suffix.lower() not in FORMAT_OF:
        raise UserError(
            f"{option}: '{path}' must end in {', '.join(FORMAT_OF)}, which says what it holds"
        )
    return FORMAT_OF[path.suffix.lower()]


@contextmanager
def open_records(path: Path) -> Iterator[Records]:
    """Open a file whose format is that of its ending.

    Raises `UserError`, with the line, if it cannot be read; while it is read, the iterator does.
    """
    kind = file_format(path, "input")
    if not path.is_file():
        raise UserError(f"input: {path}: no such file")
    if kind == PARQUET:
        yield _parquet_records(path)
        return
    size = max(1, path.stat().st_size)
    with path.open("rb") as raw:
        file = io.TextIOWrapper(raw, ENCODING, newline="" if kind == CSV else None)
        yield text_records(file, kind, str(path), lambda: min(1.0, raw.tell() / size))


def text_records(
    file: Iterable[str], kind: str, name: str, share: Callable[[], float | None] = lambda: None
) -> Records:
    """Return the records in lines of the format `kind`; `name` is shown in messages."""
    if kind == LINES:
        texts = ({TEXT: line.rstrip("\n")} for _, line in _numbered(file, name))
        return Records((TEXT,), texts, share, partial(_strings, (TEXT,)))
    if kind == CSV:
        return _csv_records(file, name, share)
    rest = _json_rows(file, name)
    first = list(islice(rest, FIRST))
    columns = tuple(dict.fromkeys(key for row in first for key in row))
    rows = _with_columns(first, rest, columns, name)
    return Records(columns, rows, share, partial(_types, first, columns))


def _strings(columns: Sequence[str]) -> Any:
    import pyarrow as pa  # takes a while to import

    return pa.schema([(column, pa.string()) for column in columns])


def _types(rows: Sequence[Record], columns: Sequence[str]) -> Any:
    import pyarrow as pa

    whole = [{column: row.get(column) for column in columns} for row in rows]
    try:
        return pa.Table.from_pylist(whole).schema
    except pa.ArrowException as error:
        raise UserError(_unfit(error)) from None


def _unfit(error: Exception) -> str:
    return (
        f"output: a column of a Parquet file has one type, and these values have several: "
        f"{str(error).splitlines()[0]}; write JSONL"
    )


def _numbered(file: Iterable[str], name: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers; raises `UserError` with that of one which is not UTF-8."""
    number = 0
    try:
        for number, line in enumerate(file, start=1):
            yield number, line
    except UnicodeDecodeError:
        raise UserError(
            f"{name}: must be UTF-8; it is not, in line {number + 1} or later"
        ) from None


def _csv_records(file: Iterable[str], name: str, share: Callable[[], float | None]) -> Records:
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(line for _, line in _numbered(file, name))
    try:
        columns = tuple(next(reader, ()))
    except csv.Error as error:
        raise UserError(f"{name}: line {reader.line_num}: {error}") from None
    if not columns:
        raise UserError(f"{name}: is empty; its first line must name the columns")
    if twice := [column for column in columns if columns.count(column) > 1]:
        raise UserError(f"{name}: two columns are named '{twice[0]}'; rename one")

    def rows() -> Iterator[Record]:
        try:
            for row in reader:
                if len(row) > len(columns):
                    raise UserError(
                        f"{name}: line {reader.line_num}: {len(row)} fields under {len(columns)} "
                        "columns; a text that contains commas needs quotes"
                    )
                if row:  # a blank line is none
                    row += [""] * (len(columns) - len(row))
                    yield dict(zip(columns, row, strict=True))
        except csv.Error as error:
            raise UserError(f"{name}: line {reader.line_num}: {error}") from None

    return Records(columns, rows(), share, partial(_strings, columns))


def _json_rows(file: Iterable[str], name: str) -> Iterator[Record]:
    for number, line in _numbered(file, name):
        if line.isspace():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{name}: line {number}: is not JSON: {error}") from None
        if not isinstance(row, dict):
            raise UserError(f"{name}: line {number}: must be an object, not {line.strip()[:40]}")
        yield row


def _with_columns(
    first: Iterable[Record], rest: Iterable[Record], columns: tuple[str, ...], name: str
) -> Iterator[Record]:
    """All rows; raises `UserError` for a key that none of the first ones has."""
    yield from first
    known = set(columns)
    for number, row in enumerate(rest, start=FIRST + 1):
        if more := row.keys() - known:
            raise UserError(
                f"{name}: row {number}: has the key '{min(more)}', and none of the first {FIRST} "
                "rows has it; give it to the first, as null"
            )
        yield row


def _parquet_records(path: Path) -> Records:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: is no Parquet file: {str(error).splitlines()[0]}") from None
    total, read = max(1, file.metadata.num_rows), 0

    def rows() -> Iterator[Record]:
        nonlocal read
        for batch in file.iter_batches(batch_size=FIRST):
            read += batch.num_rows
            yield from batch.to_pylist()

    return Records(
        tuple(file.schema_arrow.names), rows(), lambda: read / total, lambda: file.schema_arrow
    )


class RecordWriter:
    """Writes records of the same columns to one file, as CSV, JSONL or Parquet."""

    def __init__(self, path: Path, kind: str, columns: Sequence[str], schema: Any) -> None:
        """Open `path` for records of `columns`; a Parquet file has the types of `schema`.

        A CSV file gets no line with their names, which `join_files` writes.
        """
        self.kind, self.columns, self.schema = kind, tuple(columns), schema
        self._parquet: Any = None
        if kind == PARQUET:
            import pyarrow.parquet as pq

            self._parquet = pq.ParquetWriter(path, schema)
        else:
            self._file = path.open("w", encoding="utf-8", newline="")

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Append `records`; raise `UserError` for a value that Parquet's column cannot hold."""
        if self._parquet is None:
            write_text(self._file, self.kind, self.columns, records)
            return
        import pyarrow as pa

        try:
            table = pa.Table.from_pylist(list(records), schema=self.schema)
        except (pa.ArrowException, TypeError) as error:
            raise UserError(_unfit(error)) from None
        self._parquet.write_table(table)

    def close(self) -> None:
        """Close the file, which is only then whole."""
        (self._file if self._parquet is None else self._parquet).close()


def write_text(
    file: IO[str], kind: str, columns: Sequence[str], records: Iterable[Mapping[str, Any]]
) -> None:
    """Write records to an open file as CSV or JSONL."""
    if kind == CSV:
        rows = ([_cell(record.get(column)) for column in columns] for record in records)
        csv.writer(file, lineterminator="\n").writerows(rows)
    else:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")


def _cell(value: object) -> str:
    """A value as a cell of CSV: a text that a spreadsheet would run as a formula gets a `'`."""
    if value is None:
        return ""
    if not isinstance(value, str):
        plain = not isinstance(value, dict | list)
        return str(value) if plain else json.dumps(value, ensure_ascii=False, default=str)
    if _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def join_files(
    parts: Iterable[Path], kind: str, columns: Sequence[str], schema: Any, out: Path
) -> None:
    """Write `out` from files that `RecordWriter` has written with these arguments, in order."""
    if kind == PARQUET:
        import pyarrow.parquet as pq

        with pq.ParquetWriter(out, schema) as writer:
            for part in parts:
                writer.write_table(pq.read_table(part))
        return
    with out.open("wb") as file:
        if kind == CSV:
            file.write(csv_line(columns).encode("utf-8"))
        for part in parts:
            with part.open("rb") as source:
                while block := source.read(1 << 20):
                    file.write(block)


def csv_line(cells: Sequence[str]) -> str:
    """Return one line of CSV, its end included."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([_cell(cell) for cell in cells])
    return line.getvalue()

"""Files of rows: what is read is written as it was, and what cannot be read is one message."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fincompress.prediction.records import (
    CSV,
    JSONL,
    LINES,
    PARQUET,
    RecordWriter,
    csv_line,
    file_format,
    join_files,
    open_records,
    text_records,
)
from tests.support.projects import refusal

ODD: list[dict[str, Any]] = [
    {"id": "007", "text": "Profit rose, by 12 %", "note": "NA"},
    {"id": "-3.5", "text": 'two\nlines and a "quote"', "note": ""},
    {"id": "1e5", "text": "na\u00efve \u4e2d\u6587 \U0001f600", "note": "null"},
]


def written(path: Path, kind: str, rows: Sequence[dict[str, Any]], schema: Any = None) -> Path:
    """A file of `rows`, of two parts."""
    columns, parts = list(rows[0]), []
    for number, part in enumerate([rows[:1], rows[1:]]):
        parts.append(path.with_name(f"part-{number}"))
        writer = RecordWriter(parts[-1], kind, columns, schema)
        writer.write(part)
        writer.close()
    join_files(parts, kind, columns, schema, path)
    return path


@pytest.mark.parametrize("kind", [CSV, JSONL, PARQUET])
def test_rows_survive_writing_and_reading(kind: str, tmp_path: Path) -> None:
    schema = pa.schema([(name, pa.string()) for name in ODD[0]])
    path = written(tmp_path / f"rows.{kind}", kind, ODD, schema)
    with open_records(path) as records:
        assert records.columns == ("id", "text", "note")
        assert list(records.rows) == ODD
        assert records.share() == 1.0
        assert records.schema() == schema


def test_values_of_json_and_parquet_keep_their_types(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "a", "n": 1, "deep": {"x": [1.5]}},
        {"text": None, "n": None, "deep": None},
    ]
    with open_records(written(tmp_path / "rows.jsonl", JSONL, rows)) as records:
        assert list(records.rows) == rows
        schema = records.schema()
    assert schema.field("n").type == pa.int64()
    with open_records(written(tmp_path / "rows.parquet", PARQUET, rows, schema)) as records:
        assert list(records.rows) == rows and records.schema() == schema


def test_cells_that_a_spreadsheet_would_run_are_escaped_and_numbers_are_not() -> None:
    harmful = ["=1+1", "+cmd|x", "-2+3", "@sum", "\tx", "- Profit rose"]
    numbers = ["-3.5", "+7", "-1,5", "-4 %", "-1e5", "5"]
    assert csv_line(harmful) == ",".join(f"'{cell}" for cell in harmful) + "\n"
    assert csv_line(numbers).replace('"', "") == ",".join(numbers) + "\n"


UNREADABLE = [
    ("x.csv", b"", "x.csv: is empty; its first line must name the columns"),
    ("x.csv", b"text,text\na,b\n", "x.csv: two columns are named 'text'; rename one"),
    ("x.csv", b"text\na\nb, c\n", "x.csv: line 3: 2 fields under 1 columns; a text that contains"),
    ("x.csv", b"text\nr\xe9sultat\n", "x.csv: must be UTF-8; it is not, in line 1 or later"),
    ("x.jsonl", b'{"text": "a"}\n{"text\n', "x.jsonl: line 2: is not JSON: "),
    ("x.jsonl", b'["a"]\n', 'x.jsonl: line 1: must be an object, not ["a"]'),
    ("x.parquet", b"PAR", "x.parquet: is no Parquet file: "),
    ("x.xls", b"", "must end in .csv, .jsonl, .parquet, .txt, which says what it holds"),
]


@pytest.mark.parametrize(("name", "content", "message"), UNREADABLE)
def test_a_file_that_cannot_be_read_is_one_message(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)

    def read() -> None:
        with open_records(tmp_path / name) as records:
            list(records.rows)

    said = refusal(read)
    assert message in said and "\n" not in said


def test_a_key_that_comes_late_is_refused_with_its_row() -> None:
    lines = [json.dumps({"text": "a"})] * 1000 + [json.dumps({"text": "a", "late": 1})]
    rows = text_records(lines, JSONL, "rows").rows
    assert refusal(lambda: list(rows)).startswith("rows: row 1001: has the key 'late', and none of")


def test_parquet_refuses_a_value_of_another_type(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "x", PARQUET, ["n"], pa.schema([("n", pa.int64())]))
    assert refusal(lambda: writer.write([{"n": "seven"}])).endswith("; write JSONL")
    writer.close()


def test_lines_are_texts_and_short_rows_of_csv_are_filled() -> None:
    assert list(text_records(["a b\n", "\n", "c"], LINES, "x").rows) == [
        {"text": "a b"}, {"text": ""}, {"text": "c"}
    ]  # fmt: skip
    rows = text_records(["id,text\n", "1\n", "\n", "2,b\n"], CSV, "x").rows
    assert list(rows) == [{"id": "1", "text": ""}, {"id": "2", "text": "b"}]


def test_an_empty_file_of_each_format_is_whole(tmp_path: Path) -> None:
    schema = pa.schema([("text", pa.string())])
    for kind in (CSV, JSONL, PARQUET):
        join_files([], kind, ["text"], schema, tmp_path / kind)
    assert (tmp_path / CSV).read_text() == "text\n" and (tmp_path / JSONL).read_text() == ""
    assert pq.read_schema(tmp_path / PARQUET) == schema
    assert file_format(Path("a/b.CSV"), "input") == CSV

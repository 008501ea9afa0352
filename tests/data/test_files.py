"""A user's own CSV, JSON and Parquet files become rows; a wrong one is named in one message."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fincompress.data.corpora import read_rows
from fincompress.data.files import TableFormat, read_file
from fincompress.data.sentences import clean_text
from tests.support.projects import refusal, write_csv

TABLE = [
    {"text": "Profit  rose , by\t2 % ", "label": "positive"},
    {"text": "Ääni 'quoted' \"too\"", "label": " Neutral"},
    {"text": "Sales fell .", "label": "negative"},
]


def write_table(path: Path, records: list[dict[str, Any]]) -> Path:
    if path.suffix == ".csv":
        pd.DataFrame(records).to_csv(path, index=False)
    elif path.suffix == ".parquet":
        pd.DataFrame(records).to_parquet(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    else:
        lines = [json.dumps(record, ensure_ascii=False) for record in records]
        path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", [".csv", ".json", ".jsonl", ".parquet"])
def test_every_format_reads_alike(tmp_path: Path, ending: str) -> None:
    assert read_rows(str(write_table(tmp_path / f"my{ending}", TABLE)), None) == (
        [
            ("Profit rose , by 2 %", "positive", "my"),
            ("Ääni 'quoted' \"too\"", "neutral", "my"),
            ("Sales fell .", "negative", "my"),
        ],
        "",
    )


@pytest.mark.parametrize("ending", [".csv", ".json", ".jsonl", ".parquet"])
def test_labels_may_be_class_indices(tmp_path: Path, ending: str) -> None:
    records = [{"text": f"t{label}", "label": label, "extra": 1.5} for label in (2, 0, 1)]
    assert read_file(write_table(tmp_path / f"my{ending}", records)) == [
        ("t2", "positive", "my"),
        ("t0", "negative", "my"),
        ("t1", "neutral", "my"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,lable\na,positive\n", "column 'label' is missing; found: text, lable"),
        ("sentence,label\na,positive\n", "column 'text' is missing; found: sentence, label"),
        (
            "text,label\na,positive\nb,good\n",
            "row 2: 'good' is no label, nor an index from 0 to 2; "
            "known: negative, neutral, positive",
        ),
        (
            "text,label\na,0\nb,3\n",
            "row 2: '3' is no label, nor an index from 0 to 2; known: negative, neutral, positive",
        ),
        (
            "text,label\na,0\nb,-1\n",
            "row 2: '-1' is no label, nor an index from 0 to 2; known: negative, neutral, positive",
        ),
        (
            "text,label\na,positive\nb,\n",
            "row 2: '' is no label, nor an index from 0 to 2; known: negative, neutral, positive",
        ),
        ("text,label\na,0\n,1\n", "row 2: 'text' must be a sentence, not ''"),
        (
            "text,label\nProfit rose, sales fell,positive\n",
            "line 2: 3 fields under 2 columns; a text that contains commas needs quotes",
        ),
        ('text,label\na,0\n"  ",1\n', "row 2: 'text' must be a sentence, not '  '"),
        (b"text,label\ncaf\xe9,1\n", "must be UTF-8; byte 14 is not"),
        ("", "has no rows"),
        ("text,label\n", "has no rows"),
    ],
)
def test_a_bad_csv_file_is_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = tmp_path / "my.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert refusal(lambda: read_file(path)) == f"{path}: {message}"


@pytest.mark.parametrize("ending", [".json", ".jsonl", ".parquet"])
def test_a_file_of_another_format_cannot_be_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"my{ending}"
    path.write_text("text;label")
    message = refusal(lambda: read_file(path))
    assert message.startswith(f"{path}: cannot be read: ")
    assert "\n" not in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    assert refusal(lambda: read_rows(str(path), None)) == f"{path}: no such file"


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("phrasbank", ("unknown source 'phrasbank'", "did you mean 'phrasebank'?")),
        ("my.txt", ("unknown source 'my.txt'", "must end in .csv, .json, .jsonl, .parquet")),
    ],
)
def test_an_unknown_source_is_refused(source: str, parts: tuple[str, ...]) -> None:
    message = refusal(lambda: read_rows(source, None))
    assert message.startswith("data.sources: ")
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [(" a\t b \n", "a b"), ("a\u00a0b", "a b"), ("Profit ROSE .", "Profit ROSE ."), (" ", "")],
)
def test_cleaning_changes_white_space_and_nothing_else(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


def test_na_is_a_word_of_a_csv_file(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "my.csv", [("NA", "neutral"), ("12", "1")])
    assert [row[:2] for row in read_file(Path(path))] == [("NA", "neutral"), ("12", "neutral")]


def test_a_byte_order_mark_is_not_part_of_a_column(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("text,label\na,positive\n", encoding="utf-8-sig")
    assert read_file(tmp_path / "my.csv") == [("a", "positive", "my")]


def test_true_is_no_label(tmp_path: Path) -> None:
    (tmp_path / "my.json").write_text('[{"text": "a", "label": true}]')
    assert "row 1: True is no label" in refusal(lambda: read_file(tmp_path / "my.json"))


def test_a_table_that_pandas_wrote_with_its_index_is_read(tmp_path: Path) -> None:
    pd.DataFrame(TABLE).to_csv(tmp_path / "my.csv")
    assert [row[1] for row in read_file(tmp_path / "my.csv")] == ["positive", "neutral", "negative"]


def test_the_columns_and_labels_are_those_that_a_study_names(tmp_path: Path) -> None:
    path = write_table(
        tmp_path / "my.csv", [{"Frage": "Wo ?", "Art": "ORT"}, {"Frage": "Wer ?", "Art": "0"}]
    )
    table = TableFormat(labels=("Person", "Ort"), text_column="Frage", label_column="Art")
    assert read_file(path, table) == [("Wo ?", "Ort", "my"), ("Wer ?", "Person", "my")]
    assert (
        refusal(lambda: read_file(path)) == f"{path}: column 'text' is missing; found: Frage, Art"
    )

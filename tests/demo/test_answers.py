"""Answers side by side: who disagrees, what a call took, and files that are refused by name."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fincompress.artifact import Artifact
from fincompress.config import UserError
from fincompress.demo.answers import MOST_ROWS, answer_file, ask_variants, describe_agreement
from fincompress.demo.content import OpenModel, keep_open
from fincompress.prediction.model import Model
from tests.support.projects import refusal


@dataclass
class Keyword:
    """A predictor that says positive of texts with its word, and else neutral."""

    word: str
    calls: int = 0
    texts_cut: int = 0
    texts_handed_over: int = 0
    normal_share: float | None = None
    way: str = "an engine"

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls += 1
        rows = [[0, 0, 9] if self.word in text else [0, 9, 0] for text in texts]
        return np.array(rows, dtype=np.float32)


@pytest.fixture
def models(base: Artifact) -> dict[str, Model]:
    words = {"teacher": "up", "small": "up", "wrong": "down"}
    return {name: Model(name, base, "torch_eager", Keyword(word)) for name, word in words.items()}


@pytest.fixture
def open_model(models: dict[str, Model]) -> OpenModel:
    return models.__getitem__


def ask(path: Path, names: list[str], open_model: OpenModel, column: str = "text"):  # type: ignore[no-untyped-def]
    return answer_file(path, column, names, open_model, lambda share, name: None)


def test_each_variant_answers_once_and_is_timed_without_its_loading(open_model: OpenModel) -> None:
    loaded: list[str] = []

    def load(name: str) -> Model:
        loaded.append(name)
        return open_model(name)

    opened = keep_open(load, "an example")
    first = ask_variants("it is up", ["teacher", "small"], opened)
    assert [each.variant for each in first] == ["teacher", "small"]
    assert {each.answer["label"] for each in first} == {"positive"}
    assert all(0 < each.milliseconds < 1000 and each.way == "an engine" for each in first)
    ask_variants("it is up", ["small"], opened)
    assert loaded == ["teacher", "small"], "each is loaded once"
    predictor = opened("small").predictor
    assert isinstance(predictor, Keyword) and predictor.calls == 3, "the example, and two calls"


def test_what_disagrees_is_said_by_label(open_model: OpenModel) -> None:
    everyone = ask_variants("it is up", ["teacher", "small", "wrong"], open_model)
    assert describe_agreement(everyone) == (
        "They disagree. **positive**: teacher, small; **neutral**: wrong."
    )
    assert describe_agreement(everyone[:2]) == "All say **positive**."
    assert describe_agreement(everyone[:1]) == "teacher says **positive**."


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        (" \n", ["teacher"], "There is no text. Write a sentence, or click one of the examples."),
        ("up", [], "No variant is chosen. Choose at least one."),
        ("up" * 5001, ["teacher"], "The text is too long: at most 10,000 characters."),
    ],
)
def test_nothing_to_ask(text: str, names: list[str], message: str, open_model: OpenModel) -> None:
    assert refusal(lambda: ask_variants(text, names, open_model)) == message


def test_a_file_gets_the_answers_of_all_beside_its_own_columns(
    tmp_path: Path, open_model: OpenModel
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("id,body\n1,flat\n2,it is up\n3,\n4,=down\n", encoding="utf-8")
    answered = ask(file, ["teacher", "small", "wrong"], open_model, "body")
    assert answered.columns[:4] == ("id", "body", "teacher_label", "teacher_score")
    assert answered.describe() == (
        "**4 rows.** small and teacher disagree on 0 (0.0%). wrong and teacher disagree on 2 "
        "(50.0%)."
    )
    assert [row["id"] for row in answered.disputed_first] == ["2", "4", "1", "3"]
    answered.write_csv(tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as out:
        written = list(csv.DictReader(out))
    assert [row["wrong_label"] for row in written] == ["neutral", "neutral", "", "positive"]
    assert written[3]["body"] == "'=down", "no cell is run as a formula"


def test_rows_without_a_text_get_no_answer(tmp_path: Path, open_model: OpenModel) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": "up", "small_size": 3}\n{"id": 3}\n{"text": null}\n')
    answered = ask(file, ["small"], open_model)
    assert [row["small_label"] for row in answered.rows] == ["positive", None, None]


def test_the_progress_is_told(tmp_path: Path, open_model: OpenModel) -> None:
    file = tmp_path / "rows.txt"
    file.write_text("up\n" * 250, encoding="utf-8")
    told: list[tuple[float, str]] = []
    answer_file(file, "text", ["teacher", "small"], open_model, lambda *each: told.append(each))
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    assert {name for _, name in told} == {"teacher", "small"} and len(told) == 6


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", "text\n", "rows.csv has no rows."),
        ("rows.csv", "a,b\n1,2\n", "column: the input has no column 'text'; found: a, b"),
        ("rows.csv", "text,small_label\nup,x\n",
         "rows.csv has a column 'small_label', which is the name of an answer; rename it, or leave "
         "it out"),
        ("rows.csv", "text\nup,down\n",
         "rows.csv: line 2: 2 fields under 1 columns; a text that contains commas needs quotes"),
        ("rows.jsonl", "[]\n", "rows.jsonl: line 1: must be an object, not []"),
        ("rows.txt", "up\n" * (MOST_ROWS + 1),
         "rows.txt has more than the 2,000 rows that a demo answers; for larger files: "
         "fincompress predict --input FILE --output FILE"),
    ],
)  # fmt: skip
def test_files_that_are_refused(
    tmp_path: Path, open_model: OpenModel, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert refusal(lambda: ask(tmp_path / name, ["small"], open_model)) == message


def test_a_file_that_is_not_text_is_refused_with_its_line(
    tmp_path: Path, open_model: OpenModel
) -> None:
    (tmp_path / "rows.csv").write_bytes(b"text\nup\n\xff\xfe\n")
    with pytest.raises(UserError, match="must be UTF-8; it is not, in line"):
        ask(tmp_path / "rows.csv", ["small"], open_model)

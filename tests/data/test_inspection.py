"""A user's file is looked at before a study is made of it: what it holds, or why none can be."""

from pathlib import Path

import pandas as pd
import pytest

from fincompress.data.inspection import Conflict, inspect_file
from tests.support.projects import refusal, reviews


def write(path: Path, rows: list[tuple[object, object]], names: tuple[str, str]) -> Path:
    pd.DataFrame(rows, columns=list(names)).to_csv(path, index=False)
    return path


def some(label: object, count: int = 7) -> list[tuple[object, object]]:
    return [(f"{label} {n}", label) for n in range(count)]


def test_a_file_is_described_by_its_texts(tmp_path: Path) -> None:
    rows: list[tuple[object, object]] = [*some("Gut", 8), *some("gut", 2), *some("schlecht")]
    rows += [("gut 0", "schlecht"), ("  gut   1 ", "GUT"), ("Gut 7", "Gut")]
    found = inspect_file(write(tmp_path / "my.csv", rows, ("Review", "Stars")))
    assert (found.text_column, found.label_column, found.rows) == ("Review", "Stars", 20)
    assert found.labels == ("Gut", "schlecht"), "in the spelling that most rows have"
    assert found.counts == {"Gut": 10, "schlecht": 7}, "of a repeated text the first row counts"
    assert found.conflicts == (Conflict("gut 0", ("Gut", "schlecht")),)
    assert len(found.texts) == 17 and found.texts[0] == "Gut 0"


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        (["positive", "Negative", "neutral"], ("Negative", "neutral", "positive")),
        ([10, 9, 1], ("1", "9", "10")),
        (["b", "C", "a"], ("a", "b", "C")),
    ],
)
def test_labels_are_in_an_order_that_no_row_decides(
    tmp_path: Path, given: list[object], labels: tuple[str, ...]
) -> None:
    rows = [row for label in given for row in some(label)]
    assert inspect_file(write(tmp_path / "my.csv", rows, ("text", "label"))).labels == labels


def test_a_named_column_is_taken_before_one_with_a_usual_name(tmp_path: Path) -> None:
    rows = [(f"t {n}", "ab"[n % 2]) for n in range(14)]
    frame = pd.DataFrame(rows, columns=["Betreff", "Art"]).assign(text="x", label="y")
    frame.to_csv(tmp_path / "my.csv", index=False)
    found = inspect_file(tmp_path / "my.csv", "Betreff", "Art")
    assert found.labels == ("a", "b") and len(found.texts) == 14


@pytest.mark.parametrize(
    ("rows", "names", "message"),
    [
        (some("a"), ("Betreff", "label"),
         "which column holds the texts? Name it by --text-column; found: Betreff, label"),
        (some("a"), ("text", "Art"),
         "which column holds the labels? Name it by --label-column; found: text, Art"),
        (some("a"), ("text", "label"), "'label' is 'a' in every row"),
        ([row for n in range(21) for row in some(f"l{n}")], ("text", "label"),
         "'label' has 21 different values, and a study has at most 20 labels; name another column "
         "by --label-column, or merge labels"),
        ([*some("C+"), *some("C#")], ("text", "label"),
         "'label': must be names of different metrics: 'C#' is too like 'C+'"),
        ([*some("a"), ("", "a"), (None, "b")], ("text", "label"),
         "'text' is empty in 2 of 9 rows (8, 9); remove or complete them"),
        ([*some("a"), ("x", None)], ("text", "label"),
         "'label' is empty in 1 of 8 rows (8); remove or complete them"),
    ],
)  # fmt: skip
def test_a_file_that_makes_no_study_is_refused_with_the_reason(
    tmp_path: Path, rows: list[tuple[object, object]], names: tuple[str, str], message: str
) -> None:
    path = write(tmp_path / "my.csv", rows, names)
    assert refusal(lambda: inspect_file(path)) == f"{path}: {message}"


def test_a_label_that_is_too_rare_to_be_split_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "my.csv", [*some("a"), *some("b", 6)], ("text", "label"))
    assert refusal(lambda: inspect_file(path)) == (
        "data: a split needs at least 7 sentences of each label, 'b' has 6; give it more, or "
        "leave it out"
    )


def test_a_named_column_that_is_missing_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "my.csv", list(reviews()), ("text", "label"))
    message = refusal(lambda: inspect_file(path, "", "stars"))
    assert message == f"{path}: column 'stars' is missing; found: text, label"

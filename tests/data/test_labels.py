"""A study's labels: names that can be told apart, and how a file may write them."""

import pytest

from fincompress.config import parse
from fincompress.data import DataConfig
from fincompress.data.labels import SENTIMENT, metric_name, parse_label
from tests.support.projects import refusal

RULE = "must be names of up to 100 letters, with single spaces"


@pytest.mark.parametrize(
    ("value", "names", "label"),
    [
        (" Neutral ", SENTIMENT, "neutral"),
        (2, SENTIMENT, "positive"),
        ("0", SENTIMENT, "negative"),
        (1.0, SENTIMENT, "neutral"),  # of a column in which some are missing
        ("1", ("1", "2", "3"), "1"),  # a label that is a number is a name, and no index
        (3.0, ("1", "2", "3"), "3"),
        ("SPORT", ("Politik", "Sport"), "Sport"),
        ("sehr  gut", ("gut", "sehr gut"), "sehr gut"),
        (True, ("false", "true"), "true"),
    ],
)
def test_a_label_is_a_name_in_any_case_or_an_index(
    value: object, names: tuple[str, ...], label: str
) -> None:
    assert parse_label(value, names, "row 1") == label


@pytest.mark.parametrize(
    ("value", "names", "rest"),
    [
        ("postive", SENTIMENT, "did you mean 'positive'?"),
        (3, SENTIMENT, "known: negative, neutral, positive"),
        (True, SENTIMENT, "known: negative, neutral, positive"),
        (None, ("a", "b"), "known: a, b"),
        ("0", ("1", "2"), "known: 1, 2"),
        ("1", ("1.5", "2.5"), "known: 1.5, 2.5"),
    ],
)
def test_any_other_label_is_refused(value: object, names: tuple[str, ...], rest: str) -> None:
    message = refusal(lambda: parse_label(value, names, "my.csv: row 7"))
    index = "" if names[0][0] == "1" else f", nor an index from 0 to {len(names) - 1}"
    assert message == f"my.csv: row 7: {value!r} is no label{index}; {rest}"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["one"], "must be 2 to 20 labels"),
        ([f"label {n}" for n in range(21)], "must be 2 to 20 labels"),
        (["a", ""], f"{RULE}: ''"),
        (["a", " b"], f"{RULE}: ' b'"),
        (["a", "b" * 101], f"{RULE}: '{'b' * 101}'"),
        (["spam", "spam"], "must be names of different metrics: 'spam' is too like 'spam'"),
        (["a", "A"], "must be names of different metrics: 'A' is too like 'a'"),
        (["C+", "C#"], "must be names of different metrics: 'C#' is too like 'C+'"),
        (["a", "drop"],
         "must be names of different metrics: 'drop' is too like a metric 'f1_drop'"),
        (["price", "price low"],
         "must be names of different metrics: 'price low' is too like 'price'"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_told_apart_are_refused(labels: list[str], message: str) -> None:
    found = refusal(lambda: parse(DataConfig, {"sources": ["my.csv"], "labels": labels}, "my.yaml"))
    assert found.startswith(f"my.yaml: labels: {message}")


def test_metrics_are_named_in_any_script_and_without_what_mlflow_refuses() -> None:
    assert [metric_name(name) for name in ("très positif", "C#/R&D", "正面", "a-b")] == [
        "très_positif", "C__R_D", "正面", "a_b",
    ]  # fmt: skip

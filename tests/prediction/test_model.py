"""Answers: one for every text, in order, and none for what is no text."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from fincompress.artifact import Artifact
from fincompress.prediction.annotation import Annotator, Counts
from fincompress.prediction.model import Model, answer_texts, load_artifact
from tests.support.projects import refusal

LABELS = ("no", "maybe", "yes")


def asked(texts: Sequence[str]) -> NDArray[np.float32]:
    """Logits by the length of a text; no text is blank."""
    assert texts and all(text.strip() for text in texts)
    return np.array([[0.0, 1.0, len(text)] for text in texts], dtype=np.float32)


def test_texts_are_answered_and_what_is_none_is_not() -> None:
    answers = answer_texts(asked, LABELS, ["four", None, "  ", "", float("nan"), "a"])  # type: ignore[list-item]
    assert [answer["label"] for answer in answers] == ["yes", None, None, None, None, "maybe"]
    assert answers[1] == {"label": None, "score": None, "scores": None}
    scores = answers[0]["scores"]
    assert scores is not None and list(scores) == list(LABELS)
    assert sum(scores.values()) == pytest.approx(1) and answers[0]["score"] == scores["yes"]
    assert answer_texts(asked, LABELS, [None])[0]["label"] is None


def test_what_is_no_string_is_refused_with_its_place() -> None:
    assert refusal(lambda: answer_texts(asked, LABELS, ["a", 5])) == (  # type: ignore[list-item]
        "text 2: must be a string or null, not 5"
    )


@pytest.fixture(scope="module")
def model(base: Artifact) -> Model:
    return load_artifact(base, "torch_eager", "tiny", 1)


def test_rows_get_columns_and_are_counted(model: Model) -> None:
    annotator = Annotator.of(model, ["id", "text"], "text", "")
    long = "profit " * 40
    just_fits = "profit " * 30  # of 32 tokens, with the two that begin and end it
    rows = [{"id": n, "text": text} for n, text in enumerate(["profit rose", "", long, just_fits])]
    values, counts = annotator.answer(annotator.texts(rows), first=7)
    annotated = annotator.annotated(rows, values)
    assert list(annotated[0]) == ["id", "text", "label", "score", "score_negative", "score_neutral",
                                  "score_positive"]  # fmt: skip
    assert annotated[0]["score"] == max(list(annotated[0].values())[4:])
    assert annotated[1] == {"id": 1, "text": ""} | dict.fromkeys(annotator.names)
    assert counts == Counts(rows=4, without_text=1, cut=1, handed_over=0)
    assert refusal(lambda: annotator.answer(["a", 5], first=7)) == (
        "text 9: must be a string or null, not 5"
    )


def test_columns_that_do_not_fit_are_refused(model: Model) -> None:
    assert refusal(lambda: Annotator.of(model, ["id", "body"], "text", "")) == (
        "column: the input has no column 'text'; found: id, body"
    )
    assert refusal(lambda: Annotator.of(model, ["text", "score"], "text", "")).startswith(
        "prefix: the input has a column 'score' already; give --prefix predicted_"
    )
    named = Annotator.of(model, ["body"], "text", "my_")
    assert named.column == "body" and named.names[0] == "my_label"

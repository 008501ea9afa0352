"""Cascades: which model answers a text, and what is said of how many are handed over."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fincompress.artifact import Artifact, read_artifact, write_artifact
from fincompress.config import UserError
from fincompress.export import export
from fincompress.runtimes import Classifier, cascade, load_runtime
from fincompress.runtimes.cascade import Cascade, HandedOver

SURE_LOGITS = np.array([0, 0, 9], dtype=np.float32)


def _cascade(threshold: float, normal_share: float = 0.1) -> tuple[Cascade, list[list[str]]]:
    """A cheap model that is as sure as a text's number says, a sure one, and what each is asked."""
    asked: list[list[str]] = [[], []]

    class Cheap:
        def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
            asked[0].extend(texts)
            odds = np.array([[float(text), 0, 0] for text in texts], dtype=np.float32)
            odds[:, 1] = 1 - odds[:, 0]
            return np.log(np.maximum(odds, 1e-9))

    class Sure:
        def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
            asked[1].extend(texts)
            return np.tile(SURE_LOGITS, (len(texts), 1))

    made = Cascade(Cheap(), Sure(), threshold, HandedOver(normal_share))  # type: ignore[arg-type]
    return made, asked


def test_what_is_not_above_the_threshold_is_handed_over_in_one_call() -> None:
    made, asked = _cascade(threshold=0.75)
    texts = ["0.9", "0.7", "0.75", "0.2", "0.6"]
    logits = made(texts)
    assert asked == [texts, ["0.7", "0.75", "0.6"]]
    assert logits.argmax(1).tolist() == [0, 2, 2, 1, 2]
    assert made.hands_over(texts).tolist() == [False, True, True, False, True]
    assert (made.counts.texts, made.counts.handed_over) == (5, 3), "asking is not answering"


def test_the_sure_model_is_not_asked_for_nothing() -> None:
    made, asked = _cascade(threshold=0.5)
    made(["0.9", "0.8"])
    assert asked[1] == []


def test_the_share_that_is_handed_over_is_logged_and_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger=cascade.__name__)
    made, _ = _cascade(threshold=0.75, normal_share=0.2)
    made(["0.9"] * 850 + ["0.6"] * 149)
    assert not caplog.records, "999 texts are too few"
    made(["0.6"])
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("INFO", "handed over 15.0% of the last 1000 texts; normal is 20.0%")
    ]
    made(["0.9"] * 1300 + ["0.6"] * 700)
    assert caplog.records[-1].levelname == "WARNING"
    assert caplog.records[-1].getMessage() == (
        "handed over 35.0% of the last 2000 texts; normal is 20.0%: "
        "they differ from those it was made for, and it is slower"
    )


@pytest.fixture
def joined(base: Artifact, tmp_path: Path) -> Artifact:
    """A cascade of a model with itself, at a threshold that it never reaches."""
    graph = export(base, "auto", tmp_path / "graph")

    def write(folder: Path) -> None:
        for name in (cascade.CHEAP, cascade.SURE):
            graph_copy = folder / name
            graph_copy.mkdir()
            for file in graph.path.iterdir():
                (graph_copy / file.name).write_bytes(file.read_bytes())
        cascade.write_settings(folder, 1.0, 0.1)

    facts = vars(replace(graph.manifest, format=cascade.FORMAT)) | {}
    facts.pop("files")
    return write_artifact(tmp_path / "joined", write, facts)


def test_a_cascade_is_loaded_from_one_artifact_that_holds_both(
    joined: Artifact, base: Artifact
) -> None:
    loaded = load_runtime("cascade").load(read_artifact(joined.path), 1)
    alone: Classifier = load_runtime("torch_eager").load(base, 1)
    texts = ["profit rose .", "sales fell and fell ."]
    np.testing.assert_allclose(loaded(texts), alone(texts), atol=1e-4)
    assert isinstance(loaded, Cascade)
    assert loaded.counts.handed_over == 2
    assert loaded.way == f"{loaded.cheap.way}, then {loaded.sure.way}"
    one = load_runtime("auto").count_products(cascade.stages(joined)[0])
    both = load_runtime("cascade").count_products(joined)
    assert (both.int8, both.total) == (2 * one.int8, 2 * one.total)


def test_a_damaged_model_inside_a_cascade_is_refused(joined: Artifact) -> None:
    (joined.path / cascade.SURE / "model.onnx").write_bytes(b"")
    with pytest.raises(UserError, match=r"sure/model\.onnx: altered"):
        load_runtime("cascade").load(joined, 1)


def test_another_format_is_refused(base: Artifact) -> None:
    with pytest.raises(UserError, match="format must be 'cascade', not 'torch'"):
        load_runtime("cascade").load(base, 1)

"""Several processes answer as one does: in order, and an error of one is the command's."""

import os
import signal

import pytest

from fincompress.artifact import Artifact
from fincompress.prediction import processes
from fincompress.prediction.annotation import Annotator, Counts
from fincompress.prediction.model import load_artifact
from fincompress.prediction.processes import Annotated, open_processes
from fincompress.prediction.records import Record
from tests.support.projects import refusal, tiny_sentences

pytestmark = pytest.mark.slow  # each process imports PyTorch

CALLS: list[list[Record]] = [[{"text": text}, {"text": None}] for text, _ in tiny_sentences()[:12]]


@pytest.fixture(scope="module")
def annotator(base: Artifact) -> Annotator:
    return Annotator.of(load_artifact(base, "torch_eager", "tiny", 1), ["text"], "text", "")


def annotated(annotator: Annotator, calls: list[list[Record]], count: int) -> list[Annotated]:
    with open_processes(annotator, count) as annotate:
        return list(annotate(calls, 0))


def test_two_processes_answer_as_one_does(annotator: Annotator) -> None:
    one = annotated(annotator, CALLS, 1)
    assert annotated(annotator, CALLS, 2) == one
    assert [counts for _, counts in one] == [Counts(rows=2, without_text=1)] * len(CALLS)


def test_an_error_in_a_process_is_one_message_with_the_row(annotator: Annotator) -> None:
    calls: list[list[Record]] = [*CALLS[:5], [{"text": "a"}, {"text": 5}]]
    assert refusal(lambda: annotated(annotator, calls, 2)) == (
        "text 12: must be a string or null, not 5"
    )


def test_a_process_that_is_killed_ends_the_command(
    annotator: Annotator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_answer_there", _die)
    assert refusal(lambda: annotated(annotator, CALLS, 2)).startswith(
        "processes: one of 2 was killed; too little memory may be why"
    )


def _die(texts: list[str], first: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)

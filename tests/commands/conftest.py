"""Fixtures and figures of decisions on a real registry: one tiny model under several names."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import mlflow
import pytest

from fincompress.artifact import Artifact
from fincompress.data import SENTIMENT, Sentences
from fincompress.evaluation.quality import collect_answers
from fincompress.evaluation.results import Answers
from fincompress.promotion import ROLES
from fincompress.runtimes import load_runtime
from fincompress.studies.study import Study
from fincompress.tracking import served_model
from fincompress.tracking.served_model import Served
from tests.support.hub_server import ANN, Hub, connect, log_in, open_hub
from tests.support.registry import MODEL, TEXTS, decisions, register, registered, roles


@pytest.fixture(scope="package", autouse=True)
def _nothing_is_compiled() -> Iterator[None]:
    """Compiling takes a quarter of a minute a benchmark, and is tested among the peers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHDYNAMO_DISABLE", "1")
        yield


@pytest.fixture(scope="module")
def published(
    tmp_path_factory: pytest.TempPathFactory,
    checkpoint: Path,
    student_checkpoint: Path,
    base: Artifact,
) -> Iterator[Study]:
    """Version 1 is the teacher, 2 and 4 are `good`, 3 is `near`."""
    folder = tmp_path_factory.mktemp("roles")
    with registered(folder, checkpoint, student_checkpoint, base) as study:
        assert [register(variant) for variant in ("good", "near", "good")] == [2, 3, 4]
        yield study


@pytest.fixture
def loaded(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The versions that were asked; they answer with the measured labels."""
    numbers: list[int] = []
    labels = tuple(SENTIMENT[place] for place in answers.predicted("good", "val"))

    def ask(
        study: Study, number: int, batches: Sequence[Sequence[str]], threads: int, calls: int = 0
    ) -> Served:
        numbers.append(number)
        return Served(labels[: sum(map(len, batches))], 0.07, "torch_eager")

    monkeypatch.setattr(served_model, "predict_served", ask)
    return numbers


@pytest.fixture
def study(published: Study, loaded: list[int]) -> Study:
    """Without roles and without a history."""
    client = mlflow.MlflowClient()
    for run in decisions():
        client.delete_run(run.info.run_id)
    for role in set(roles()) & set(ROLES):
        client.delete_registered_model_alias(MODEL, role)
    return published


@pytest.fixture
def answers(base: Artifact) -> Answers:
    """What the model under all the names does answer."""
    rows = load_runtime("torch_eager").load(base, 1)(TEXTS)
    part = Sentences(TEXTS, tuple(rows.argmax(axis=1).tolist()), ("tiny",) * len(TEXTS))
    logits = {variant: {"val": rows} for variant in ("teacher", "good", "near", "good@v2")}
    return collect_answers({"val": part}, logits)


@pytest.fixture
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub of this test, which knows its user as `ann`."""
    with open_hub() as opened, pytest.MonkeyPatch.context() as patch:
        connect(opened, patch, tmp_path_factory.mktemp("home") / "token")
        log_in(patch, ANN)
        yield opened


@pytest.fixture
def here(published: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which the commands run; the store has a version 1, the teacher."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder

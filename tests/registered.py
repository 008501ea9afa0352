"""Fixtures and figures of decisions on a real registry: one tiny model under several names."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run

from fincompress.artifact import Artifact, read_artifact
from fincompress.data import LABELS, Sentences
from fincompress.evaluation.quality import collect_answers
from fincompress.evaluation.results import Answers, Benchmark
from fincompress.promotion import ROLES
from fincompress.runtimes import load_runtime
from fincompress.studies.study import Study, load_study
from fincompress.studies.variants import load_variants
from fincompress.tracking import registry, runs, served_model
from fincompress.tracking.served_model import Served
from fincompress.tracking.store import open_store
from tests.conftest import open_project, tiny_sentences
from tests.test_promotion import measured, uneven

MODEL = "fincompress-tiny"
TEXTS = tuple(text for text, _ in tiny_sentences()[:9])


def register(variant: str, model: str = "") -> int:
    """Register the files of version 1 once more, as another variant, and another model or this."""
    client = mlflow.MlflowClient()
    first = client.get_model_version(MODEL, "1")
    number = len(client.search_model_versions(f"name = '{MODEL}'")) + 1
    tags = first.tags | {"variant": variant, "model_id": model or f"{variant}-{number}"}
    return int(client.create_model_version(MODEL, first.source, first.run_id, tags=tags).version)


@contextmanager
def registered(folder: Path, checkpoint: Path, wide: Path, base: Artifact) -> Iterator[Study]:
    """A study in `folder` whose version 1 is the teacher."""
    with open_project(folder, checkpoint, wide) as project:
        project.change(gate={"max_f1_drop": 0.9, "min_agreement": 0, "min_speedup": 0.001})
        open_store()
        study, copy = load_study("tiny"), folder / "copy" / registry.ARTIFACT
        shutil.copytree(base.path, copy)
        with runs.step("teacher", {"stage": "build"}):
            card = project.folder / "model_card.md"
            card.write_text("a card")
            registry.publish(study, load_variants()["teacher"], read_artifact(copy), card)
        yield study


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
    """The versions that were asked; they give the measured labels (test_served.py asks for real)"""
    numbers: list[int] = []
    labels = tuple(LABELS[place] for place in answers.predicted("good", "val"))

    def ask(
        study: Study, number: int, batches: Sequence[Sequence[str]], threads: int, calls: int = 0
    ) -> Served:
        numbers.append(number)
        return Served(labels[: sum(map(len, batches))], 0.07, "torch_eager")

    monkeypatch.setattr(served_model, "ask", ask)
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


def benchmark(
    good: float = 5.0, near: float = 9.0, number: int = 2, why: str = "", **facts: str
) -> Benchmark:
    """The medians of `good`, whose version is `number`, and `near`; the teacher's is 10 ms.

    Where `number` is another than 2, that one was measured too, at 5 ms: it was champion.
    """
    measurements = (
        replace(measured("teacher", 0.9, 10.0, 90.0, unreliable=why), version=1),
        replace(measured("good", 0.9, good, 70.0, unreliable=why), version=number),
        replace(uneven(measured("near", 0.9, near, 80.0, unreliable=why)), version=3),
        *([replace(measured("good@v2", 0.9, 5.0, 70.0), version=2)] if number != 2 else []),
        replace(measured("tfidf_floor", 0.9, 0.1, 0.1), version=None),
    )
    return Benchmark(
        study="tiny",
        synthetic=False,
        notes=(),
        environment={"threads": "1"} | facts,
        measurements=measurements,
    )  # fmt: skip


def roles() -> dict[str, int]:
    return registry.aliases(load_study("tiny"))


def decisions() -> list[Run]:
    """The runs of decisions and rollbacks, the newest first."""
    terms = "tags.`fincompress.stage` = 'promote'"
    return list(mlflow.search_runs(None, terms, search_all_experiments=True, output_format="list"))


def moved(run: Run) -> tuple[str | None, str | None]:
    tags = run.data.tags
    return tags.get("fincompress.champion_before"), tags.get("fincompress.champion_after")


def text_of(run: Run) -> str:
    return runs.read_run_file(run.info.run_id, "decision.txt")


def turned(answers: Answers) -> tuple[tuple[float, ...], ...]:
    """The measured answers of `good`, the first of them another."""
    first, *rest = answers.logits["good"]["val"]
    return ((*first[1:], first[0]), *rest)

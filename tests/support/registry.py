"""A registry with one tiny model under several names, and benchmarks of it to decide from."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import mlflow
from mlflow.entities import Run

from fincompress.artifact import Artifact, read_artifact
from fincompress.evaluation.results import Answers, Benchmark
from fincompress.studies.study import Study
from fincompress.studies.variants import load_variants
from fincompress.tracking import registry, runs
from fincompress.tracking.store import open_store
from tests.support.measurements import measured, uneven
from tests.support.projects import open_project, tiny_sentences

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
        study, copy = Study.load("tiny"), folder / "copy" / registry.ARTIFACT
        shutil.copytree(base.path, copy)
        with runs.step("teacher", {"stage": "build"}):
            card = project.folder / "model_card.md"
            card.write_text("a card")
            registry.publish(study, load_variants()["teacher"], read_artifact(copy), card)
        yield study


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
    return registry.aliases(Study.load("tiny"))


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

"""Benchmarks of a study of two variants: who is measured, and what one that fails costs."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mlflow
import pytest

from fincompress.benchmark.process import MeasuredProcess
from fincompress.benchmark.protocol import MeasuredSubjects
from fincompress.cli import main
from fincompress.commands import benchmark
from fincompress.commands.builder import Builder
from fincompress.config import UserError
from fincompress.studies.study import Study
from fincompress.tracking import registry
from tests.support.projects import Project, open_project
from tests.support.runs import MODEL, runs

pytestmark = pytest.mark.slow
STUDENT = "student_vanilla_kd"
BENCHMARK = ["benchmark", "--study", "tiny"]


@pytest.fixture(scope="module")
def small(
    tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, student_checkpoint: Path
) -> Iterator[Project]:
    """A project of the teacher and a student, measured once."""
    folder = tmp_path_factory.mktemp("small")
    with open_project(folder, checkpoint, student_checkpoint) as project:
        project.keep("teacher", STUDENT)
        project.change(budget={"epochs": 1, "patience": 1, "batch_size": 16})
        assert main(BENCHMARK) == 0
        yield project


def champion() -> int:
    return int(mlflow.MlflowClient().get_registered_model(MODEL).aliases["champion"])


def rows() -> dict[str, dict[str, Any]]:
    """The measurements of the last benchmark."""
    newest = next(run for run in runs("benchmark") if run.info.run_name == "benchmark")
    results = mlflow.artifacts.load_dict(f"runs:/{newest.info.run_id}/benchmark_results.json")
    return {m["variant"]: m for m in results["measurements"]}


def test_a_champion_that_no_variant_has_any_more_is_measured_beside_todays(
    small: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = champion()
    held = mlflow.MlflowClient().get_model_version(MODEL, str(before)).tags["variant"]
    assert main([*BENCHMARK, "--again"]) == 0
    found, name = rows(), f"{held}@v{before}"
    assert set(found) == {"teacher", STUDENT, "tfidf_floor", name}
    assert found[name]["version"] == before and found[held]["version"] > before
    assert {"val/macro_f1", "bench/speedup_vs_teacher"} <= set(found[name]["metrics"])
    assert len(found[name]["round_medians_ms"]) == len(found["teacher"]["round_medians_ms"]) == 5
    assert f"| {name}" in capsys.readouterr().out


def test_one_that_dies_costs_its_own_row(
    small: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    works, note, builders = MeasuredProcess.run, benchmark._note_failures, list[Builder]()

    def run(self: MeasuredProcess, batches: Sequence[Sequence[str]]) -> Any:
        if self.subject.variant == STUDENT:
            raise UserError("benchmark: its process died (exit code -9)")
        return works(self, batches)

    def keep(builder: Builder, measured: MeasuredSubjects) -> None:
        builders.append(builder)
        note(builder, measured)

    monkeypatch.setattr(MeasuredProcess, "run", run)
    monkeypatch.setattr(benchmark, "_note_failures", keep)
    main([*BENCHMARK, "--promote", "false"])
    assert builders[0].failed == {STUDENT: "failed: its process died (exit code -9)"}
    assert STUDENT not in rows() and {"teacher", "tfidf_floor"} <= set(rows())
    assert f"benchmark: without {STUDENT}: its process died (exit code -9)" in (
        capsys.readouterr().out
    )


def test_a_champion_whose_files_are_gone_is_left_out_and_replaced(
    small: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*BENCHMARK, "--again"]) == 0
    newest = {name: m["version"] for name, m in rows().items() if "@" not in name}
    lost = newest["teacher"]
    registry.set_alias(Study.load("tiny"), "champion", lost)
    assert main(["teacher", "--study", "tiny", "--again"]) == 0
    entry = mlflow.MlflowClient().get_model_version(MODEL, str(lost))
    shutil.rmtree(Path(mlflow.get_logged_model(entry.tags["model_id"]).artifact_location))
    capsys.readouterr()
    assert main(BENCHMARK) == 0
    said = capsys.readouterr().out
    assert f"benchmark: without version {lost}, the champion: " in said
    assert f"version {lost}, champion until now, counts no more: " in said
    assert champion() != lost and champion() in [m["version"] for m in rows().values()]

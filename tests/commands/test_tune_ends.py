"""How a study ends before its time, or with nothing: wrong input, death, an unmet constraint."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import mlflow
import pytest

from fincompress.artifact import Artifact
from fincompress.build import build
from fincompress.cli import main
from fincompress.tuning import trial, trial_queue
from tests.support.projects import Project
from tests.support.runs import files, runs
from tests.support.tuning import PRUNED, VANILLA, in_this_process, study_run, table, trial_runs

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _one_process() -> Iterator[None]:
    with in_this_process():
        yield


DEATHS = [
    (KeyboardInterrupt(), 130, "interrupted", "KILLED"),
    (OSError(28, "No space left on device"), 1, "No space left on device", "FAILED"),
]


@pytest.mark.parametrize(("death", "code", "message", "status"), DEATHS)
def test_what_ends_a_study_costs_the_trial_in_flight_and_no_more(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    death: BaseException,
    code: int,
    message: str,
    status: str,
) -> None:
    calls = []

    def die_in_the_second(*asked: Any) -> Artifact:
        calls.append(asked)
        if len(calls) == 2:
            raise death
        return build(*asked)

    monkeypatch.setattr(trial, "build", die_in_the_second)
    command = [*VANILLA, "--trials", "3", "--epochs", "1"]
    assert main(command) == code
    assert message in capsys.readouterr().err
    assert [run.info.status for run in trial_runs("student_vanilla_kd")] == ["FINISHED", status]
    assert not [run for run in runs() if run.info.status == "RUNNING"]
    assert main(command) == 0
    rows = table("student_vanilla_kd")
    assert [row["state"] for row in rows] == ["complete"] * 3
    assert [row["trial"] for row in rows] == [0, 3, 2]
    assert [r.info.status for r in trial_runs("student_vanilla_kd")].count("FINISHED") == 3


def test_a_trial_that_is_stopped_early_is_killed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_queue, "unpromising", lambda trial, step, f1: trial.number == 1)
    assert main([*VANILLA, "--trials", "2"]) == 0
    whole, stopped = trial_runs("student_vanilla_kd")
    assert (whole.info.status, stopped.info.status) == ("FINISHED", "KILLED")
    assert stopped.data.tags["fincompress.error"] == (
        "StopTraining: after epoch 1 among the worst quarter of the trials before it"
    )
    assert [row["state"] for row in table("student_vanilla_kd")] == ["complete", "pruned"]


CONSTRAINTS = [
    (["--max-latency-ms", "0.5"], "max_latency_ms: 0.5: met by no trial of 2; the nearest has"),
    (["--max-f1-drop", "0.0001"], "max_f1_drop: 0.0001 below the teacher's"),
]


@pytest.mark.parametrize(("asked", "message"), CONSTRAINTS)
def test_a_constraint_that_nothing_meets_is_one_message(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    asked: Sequence[str], message: str,
) -> None:  # fmt: skip
    assert main(["teacher", "--study", "tiny"]) == 0

    def poor(*asked: Any) -> Artifact:
        built = build(*asked)
        manifest = replace(built.manifest, metrics=built.manifest.metrics | {"val/macro_f1": 0.01})
        return replace(built, manifest=manifest)

    monkeypatch.setattr(trial, "build", poor)
    capsys.readouterr()
    assert main([*PRUNED, "--trials", "2", "--epochs", "1", *asked]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    parent = study_run("pruned_teacher_30pct")
    assert parent.info.status == "FAILED"
    assert "trials.csv" in files(parent) and "best.yaml" not in files(parent)


def test_one_objective_under_a_constraint(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*VANILLA, "--trials", "4", "--epochs", "1", "--max-latency-ms", "4"]) == 0
    rows = table("student_vanilla_kd")
    assert [row["feasible"] for row in rows] == [False, False, True, True]  # 10, 5, 3.3, 2.5 ms
    parent = study_run("student_vanilla_kd")
    assert parent.data.tags["fincompress.best.trial"] in ("2", "3")
    goal = json.loads(mlflow.artifacts.load_text(f"runs:/{parent.info.run_id}/config.json"))["goal"]
    assert goal["max_latency_ms"] == 4.0


WRONG = [
    (["--variant", "student_vanila_kd"], "variant: unknown variant 'student_vanila_kd'; did you"),
    (["--trials", "0"], "argument --trials: must be a whole number of 1 or more, not '0'"),
    (["--workers", "two"], "argument --workers: must be a whole number of 0 or more, not 'two'"),
    (["--max-latency-ms", "-3"], "argument --max_latency_ms: must be a number above 0, not '-3'"),
    (["--max-latency-ms", "3", "--max-f1-drop", "0.1"], "give max_latency_ms or max_f1_drop, not"),
    (["--variant", "teacher", "--max-f1-drop", "0.1"], "max_f1_drop: 'teacher' has no teacher"),
    (["--variant", "student_ptq", "--workers", "2"],
     "workers: must be 1 where latency is measured, as it is of 'student_ptq', not 2"),
    (["--storage", "postgresql://127.0.0.1:1/x"], "storage postgresql://127.0.0.1:1/x: does not"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "message"), WRONG)
def test_wrong_input_is_one_message(
    project: Project, asked: Sequence[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(runs("tune"))
    assert main(["tune", "--study", "tiny", "--variant", "student_vanilla_kd", *asked]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert len(runs("tune")) == before


def test_a_variant_without_a_search_space_is_one_message(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project.folder / "experiments" / "variants" / "teacher.yaml"
    file.write_text("technique: finetune\nsource: base\n")
    assert main(["tune", "--study", "tiny", "--variant", "teacher"]) == 2
    assert capsys.readouterr().err.startswith(
        "fincompress: variant: experiments/variants/teacher.yaml has no search space; give it "
        "`search:`, or tune one of: pruned_teacher_30pct, "
    )

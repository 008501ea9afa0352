"""A study from end to end on tiny models, its workers in this process."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml

from fincompress.cli import main
from fincompress.commands import workspace
from fincompress.data import Splits, load_splits
from fincompress.tracking.results import last_tuning_runs
from fincompress.tracking.store import TRIALS_EXPERIMENT
from fincompress.tuning import trial_queue
from tests.support.projects import Project, open_project
from tests.support.runs import files, runs
from tests.support.tuning import PRUNED, VANILLA, in_this_process, study_run, table, trial_runs

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _one_process() -> Iterator[None]:
    with in_this_process():
        yield


@pytest.fixture(scope="module")
def tuned(
    tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, wide_checkpoint: Path
) -> Iterator[Project]:
    """A project whose two kinds of study have run: small students would all score the same."""
    folder = tmp_path_factory.mktemp("tuned")
    with open_project(folder, checkpoint, wide_checkpoint, small=False) as project:
        with in_this_process():
            assert main([*VANILLA, "--trials", "4", "--epochs", "1"]) == 0
            assert main([*PRUNED, "--trials", "6", "--epochs", "1"]) == 0
        yield project


def test_a_study_is_a_run_and_its_trials_are_children(tuned: Project) -> None:
    parent = study_run("student_vanilla_kd")
    assert {
        "trials.csv", "trials.json", "best.yaml", "summary.txt", "history.png", "importances.png",
        "parallel_coordinates.png",
    } <= files(parent)  # fmt: skip
    assert {"own/macro_f1", "best/macro_f1"} <= set(parent.data.metrics)
    assert parent.data.metrics["best/macro_f1"] >= parent.data.metrics["own/macro_f1"]
    children = trial_runs("student_vanilla_kd")
    assert [run.info.status for run in children] == ["FINISHED"] * 4
    for run in children:
        assert {
            "config.temperature",
            "config.optimizer.learning_rate",
            "budget.epochs",
            "seed",
        } <= (set(run.data.params))
        assert {"train/soft_loss", "val/macro_f1", "best/macro_f1"} <= set(run.data.metrics)
        assert run.data.params["budget.epochs"] == "1"
    first = children[0].data.params
    assert (first["config.temperature"], first["config.alpha"]) == ("2.0", "0.8")


def test_a_report_finds_the_studies_and_not_their_trials(tuned: Project) -> None:
    found = last_tuning_runs("tiny", ["teacher", "student_vanilla_kd", "pruned_teacher_30pct"])
    names = ("student_vanilla_kd", "pruned_teacher_30pct")
    assert found == {name: study_run(name).info.run_id for name in names}
    said = mlflow.artifacts.load_text(f"runs:/{found['pruned_teacher_30pct']}/summary.txt")
    assert said.startswith("pruned_teacher_30pct: 6 trials of at most 1 epochs; its own config 0.")
    assert "\non the Pareto front: 0." in said


def test_trials_are_no_versions_and_move_no_alias(tuned: Project) -> None:
    model = mlflow.MlflowClient().get_registered_model("fincompress-tiny")
    assert set(model.aliases) == {"teacher"}
    found = mlflow.MlflowClient().search_model_versions("name = 'fincompress-tiny'")
    assert [v.tags["variant"] for v in found] == ["teacher"]


def test_trials_and_runs_name_one_another(tuned: Project) -> None:
    storage = trial_queue.open_storage("sqlite:///optuna.db")
    parent = study_run("student_vanilla_kd")
    name = parent.data.params["optuna_study"]
    study = trial_queue.Study(name, storage)
    assert study.user_attrs[trial_queue.RUN] == parent.info.run_id
    assert name in parent.data.tags["mlflow.note.content"]
    assert "http://127.0.0.1:8080/dashboard/studies/1" in parent.data.tags["mlflow.note.content"]
    linked = {t.number: t.user_attrs[trial_queue.RUN] for t in study.trials}
    assert linked == {
        int(run.data.tags["fincompress.trial"]): run.info.run_id
        for run in trial_runs("student_vanilla_kd")
    }
    notes = str(storage.get_study_system_attrs(study._study_id))
    for run in (parent, *trial_runs("student_vanilla_kd")):
        assert f"experiments/{run.info.experiment_id}/runs/{run.info.run_id}" in notes


def test_a_failed_trial_says_why_and_the_study_goes_on(tuned: Project) -> None:
    children = trial_runs("pruned_teacher_30pct")
    assert len(children) == 6
    failed = [run for run in children if run.info.status == "FAILED"]
    assert 0 < len(failed) < 6, "three layers with two heads each cannot lose 60 %"
    for run in failed:
        assert "layers; each must keep one" in run.data.tags["fincompress.error"]
    rows = {row["trial"]: row for row in table("pruned_teacher_30pct")}
    for run in children:
        row = rows[int(run.data.tags["fincompress.trial"])]
        assert (row["state"] == "fail") == (run.info.status == "FAILED")
        assert ("each must keep one" in row["error"]) == (run.info.status == "FAILED")
        assert row["run_id"] == run.info.run_id


def test_two_objectives_give_a_front_and_the_fastest_that_lost_nothing(tuned: Project) -> None:
    parent = study_run("pruned_teacher_30pct")
    assert {
        "pareto_front.png", "history_macro_f1.png", "history_latency.png",
        "importances_latency.png", "parallel_coordinates_latency.png",
    } <= files(parent)  # fmt: skip
    done = [row for row in table("pruned_teacher_30pct") if row["state"] == "complete"]
    able = [row for row in done if row["f1"] >= done[0]["f1"]]
    fastest = min(able, key=lambda row: row["latency_ms"])
    assert parent.data.metrics["best/latency_p50_ms"] == pytest.approx(fastest["latency_ms"])
    assert parent.data.tags["fincompress.best.trial"] == str(fastest["trial"])
    # Timed at 10 / n beside a reference at 5, which took 5 when the study began.
    assert done[0]["latency_ms"] == pytest.approx(10.0 / 1)
    sizes = {row["size_mb"] for row in done}
    assert parent.data.metrics["best/size_mb"] in sizes and len(sizes) > 1, "some prune more"


def test_tuned_builds_the_best_trial(tuned: Project, capsys: pytest.CaptureFixture[str]) -> None:
    parent = study_run("student_vanilla_kd")
    text = mlflow.artifacts.load_text(f"runs:/{parent.info.run_id}/best.yaml")
    config = yaml.safe_load(text)["config"]
    assert main(["distill", "--study", "tiny", "--variant", "student_vanilla_kd", "--tuned"]) == 0
    assert f"tuned by trial {parent.data.tags['fincompress.best.trial']}" in capsys.readouterr().out
    (build,) = (r for r in runs("build") if r.info.run_name == "student_vanilla_kd")
    for key in ("temperature", "alpha"):
        assert float(build.data.params[f"config.{key}"]) == pytest.approx(config[key])
    real = (tuned.folder / "experiments" / "variants" / "student_vanilla_kd.yaml").read_text()
    assert "config" not in yaml.safe_load(real), "nothing edits the experiments"

    assert main(["quantize", "--study", "tiny", "--variant", "student_qat", "--tuned"]) == 2
    assert capsys.readouterr().err == (
        "fincompress: tuned: sqlite:///optuna.db has no finished trial of what was asked for; "
        "run: fincompress tune --study tiny --variant student_qat\n"
    )


def test_more_trials_go_on_in_the_same_runs(project: Project) -> None:
    for count in (2, 2, 3):
        assert main([*VANILLA, "--trials", str(count), "--epochs", "1"]) == 0
        assert len(table("student_vanilla_kd")) == count
        assert len(trial_runs("student_vanilla_kd")) == count
    assert main([*VANILLA, "--trials", "1", "--epochs", "2"]) == 0
    parents = [run for run in runs("tune") if run.info.run_name == "tune student_vanilla_kd"]
    assert len(parents) == 2, "with another budget it is another study"
    assert {run.info.status for run in runs()} == {"FINISHED"}


def test_a_study_goes_on_from_another_experiment_and_its_trials_have_their_own(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*VANILLA, "--trials", "1", "--epochs", "1"]) == 0
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "elsewhere")
    assert main([*VANILLA, "--trials", "2", "--epochs", "1"]) == 0
    own = mlflow.get_experiment_by_name(TRIALS_EXPERIMENT)
    assert (
        own is not None
        and f"`{TRIALS_EXPERIMENT}`"
        in (study_run("student_vanilla_kd").data.tags["mlflow.note.content"])
    )
    children = trial_runs("student_vanilla_kd")
    assert [run.info.experiment_id for run in children] == [own.experiment_id] * 2
    commands = [run for run in runs() if run.info.run_name == "tune tiny"]
    assert len({run.info.experiment_id for run in commands}) == 2


class Unread:
    """Sentences that may be counted and nothing else."""

    def __len__(self) -> int:
        return 21


def test_the_test_split_is_not_read(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["prepare", "--study", "tiny"]) == 0

    def without_test(*asked: Any) -> Splits:
        return replace(load_splits(*asked), test=Unread())  # type: ignore[arg-type]

    (known,) = (run.data.tags["fincompress.fingerprint"] for run in runs("prepare"))
    monkeypatch.setattr(Splits, "fingerprint", known)  # which is of all parts
    monkeypatch.setattr(workspace, "load_splits", without_test)
    assert main([*PRUNED, "--trials", "2", "--epochs", "1"]) == 0

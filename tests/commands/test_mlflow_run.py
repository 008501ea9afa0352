"""The same verbs under `mlflow run`, in a copy of the project in a folder named `sp ace é`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from tests.support.projects import Project, open_project
from tests.support.runs import runs

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkout(
    tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, student_checkpoint: Path
) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("checkout") / "sp ace é"
    folder.mkdir()
    with open_project(folder, checkpoint, student_checkpoint) as project:
        shutil.copytree(
            ROOT / "fincompress", folder / "fincompress", ignore=shutil.ignore_patterns("__pyc*")
        )
        for name in ("MLproject", "conda.yaml"):
            shutil.copy(ROOT / name, folder)
        yield project


def mlflow_run(project: Project, entry: str, **parameters: str) -> subprocess.CompletedProcess[str]:
    bin_folder = str(Path(sys.executable).parent)
    given = [word for key, value in parameters.items() for word in ("-P", f"{key}={value}")]
    environment = os.environ | {"PATH": f"{bin_folder}:{os.environ['PATH']}"}
    # Without the variable, MLflow's own default store must be the one that is found.
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID"):
        environment.pop(name, None)
    command = ["mlflow", "run", ".", "-e", entry, *given, "--env-manager", "local"]
    return subprocess.run(
        [*command, "--experiment-name", "fincompress"],
        cwd=project.folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip


def test_distill_builds_the_teacher_first_and_then_reuses_everything(checkout: Project) -> None:
    done = mlflow_run(checkout, "distill", study="tiny")
    assert done.returncode == 0, done.stderr
    (top,) = (run for run in runs() if "mlflow.parentRunId" not in run.data.tags)
    assert top.data.tags["mlflow.project.entryPoint"] == "distill"
    assert top.info.run_name == "distill tiny"
    children = {r.info.run_name for r in runs() if r.info.run_id != top.info.run_id}
    assert children == {"prepare", "teacher", "student_vanilla_kd", "student_intermediate_kd"}

    again = mlflow_run(checkout, "distill", study="tiny")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("is up to date") == 3
    assert len(runs()) == 6, "only the second command's own run is new"
    assert {run.info.status for run in runs()} == {"FINISHED"}


def test_its_models_load_from_another_folder(checkout: Project, tmp_path: Path) -> None:
    code = (
        "import mlflow; model = mlflow.pyfunc.load_model('models:/fincompress-tiny@teacher'); "
        "print(model.predict(['profit rose .'])[0]['label'])"
    )
    address = f"sqlite:///{checkout.folder}/mlflow.db"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"MLFLOW_TRACKING_URI": address, "PYTHONPATH": ""},
    )  # fmt: skip
    assert done.stdout.strip() in ("negative", "neutral", "positive"), done.stderr
    assert not (tmp_path / "mlruns").exists() and not (tmp_path / "mlflow.db").exists()


def test_predict_answers_a_file(checkout: Project) -> None:
    rows = checkout.folder / "rows.csv"
    rows.write_text('text\nprofit rose .\n"=1+1, and sales fell ."\n')
    done = mlflow_run(
        checkout, "predict", study="tiny", model="teacher", input="rows.csv", output="out.csv"
    )
    assert done.returncode == 0, done.stderr
    header, first, second = (checkout.folder / "out.csv").read_text().splitlines()
    assert header == "text,label,score,score_negative,score_neutral,score_positive"
    assert first.startswith("profit rose .,") and second.startswith('"\'=1+1, and sales fell .",')


def test_a_password_that_mlflow_has_on_record_is_said_to_be(checkout: Project) -> None:
    done = mlflow_run(checkout, "tune", storage="postgresql://127.0.0.1:1/x?password=secret")
    assert done.returncode != 0
    (on_record,) = (run for run in runs() if "secret" in run.data.params.get("storage", ""))
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("fincompress: "))
    assert "secret" not in line
    assert f"and run {on_record.info.run_id} keeps it for good; change it, and give" in line
    # As the message claims:
    with pytest.raises(mlflow.MlflowException):
        mlflow.MlflowClient().log_param(on_record.info.run_id, "storage", "''")


def test_the_environments_storage_is_in_no_parameter_and_no_output(
    checkout: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINCOMPRESS_STORAGE", "postgresql://me:secret@127.0.0.1:1/x")
    done = mlflow_run(checkout, "tune", study="tiny", variant="teacher")
    assert done.returncode != 0
    assert "storage postgresql://me:***@127.0.0.1:1/x: does not answer" in done.stderr
    assert "secret" not in done.stdout + done.stderr
    newest = max(runs(), key=lambda run: run.info.start_time)
    assert newest.data.params["storage"] == "''"
    assert "secret" not in str(newest.to_dictionary())


def test_a_mistyped_parameter_fails_the_run_with_one_message(checkout: Project) -> None:
    done = mlflow_run(checkout, "teacher", study="tiny", agian="true")
    assert done.returncode != 0
    assert "fincompress: teacher: unknown option 'agian'; did you mean 'again'?" in done.stderr
    assert "FAILED" in {run.info.status for run in runs()}
    assert "RUNNING" not in {run.info.status for run in runs()}

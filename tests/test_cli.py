"""Wrong input, failures and interruptions: one message, an exit code, and nothing half-done."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import mlflow
import pytest
from safetensors import SafetensorError
from sqlalchemy.exc import OperationalError

from fincompress.cli import main, parse_arguments
from fincompress.commands import workspace
from fincompress.models import storage
from fincompress.techniques import finetune
from tests.support.projects import Project
from tests.support.runs import runs

BAD_ARGUMENTS = [
    (["tech"], "unknown verb 'tech'; did you mean 'teacher'?"),
    (["main", "--studdy", "cpu"], "main: unknown option 'studdy'; did you mean 'study'?"),
    (["main", "--study", "cpuu"], "study: unknown study 'cpuu'; did you mean 'cpu'?"),
    (["main", "--again", "maybe"], "argument --again: must be true or false, not 'maybe'"),
    (["teacher", "--variant", "techer"], "'techer' is no variant of 'teacher'; did you mean"),
    (["report", "--dry-run"], "report: unknown option 'dry_run'"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_ARGUMENTS)
def test_a_wrong_argument_is_one_message(
    arguments: Sequence[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


ADDRESSES = ["postgresql://me:secret@host/db", "postgresql://host/db?user=me&password=secret"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_password_is_no_option(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "--storage", address]) == 2
    assert main(["tune", address]) == 2
    error = capsys.readouterr().err
    assert "argument --storage: must not hold a password: others can read it in the" in error
    assert "give the address in the variable FINCOMPRESS_STORAGE" in error
    assert "secret" not in error


def test_what_is_logged_of_the_storage_is_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FINCOMPRESS_STORAGE", ADDRESSES[0])
    _, options = parse_arguments(["tune"])
    assert options.storage == "" and options.asked["storage"] == "''"


def test_report_without_measurements_says_what_to_run(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--study", "tiny"]) == 2
    assert "run: fincompress benchmark --study tiny" in capsys.readouterr().err


BAD_STUDIES = [
    ({"base": {"folder": "nowhere"}}, "nowhere: is not a model folder"),
    ({"base": {"package": "no-such", "path": "x", "sha256": "0"}}, "'no-such' is not installed"),
    ({"data": {"sources": ["phrasebank"]}}, "'phrasebank' is read from the folder given by"),
    ({"data": {"sources": ["phrasebanc"]}}, "did you mean 'phrasebank'?"),
    ({"max_length_tokens": 100}, "has 64 positions, not 100"),
]


@pytest.mark.parametrize(("change", "message"), BAD_STUDIES)
def test_a_study_that_cannot_run_leaves_no_version(
    project: Project, change: dict[str, object], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    project.change(**change)
    assert main(["teacher", "--study", "tiny", "--data-dir", str(project.folder)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert mlflow.MlflowClient().search_registered_models() == []
    assert not [run for run in runs() if run.info.status == "RUNNING"]


FAILURES = [
    (OSError(errno.ENOSPC, "No space left on device"), 1, "FAILED", "No space left on device"),
    (OperationalError("UPDATE", {}, Exception("disk is full")), 1, "FAILED", "disk is full"),
    (KeyboardInterrupt(), 130, "KILLED", "interrupted"),
]


@pytest.mark.parametrize(("failure", "code", "status", "message"), FAILURES)
def test_a_build_that_dies_leaves_nothing_behind(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: BaseException,
    code: int,
    status: str,
    message: str,
) -> None:
    def die(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(finetune, "save_encoder", die)
    assert main(["teacher", "--study", "tiny"]) == code
    assert message in capsys.readouterr().err
    (build,) = runs("build")
    assert build.info.status == status
    assert message in build.data.tags["fincompress.error"] or status == "KILLED"
    assert mlflow.MlflowClient().search_registered_models() == []
    assert not [run for run in runs() if run.info.status == "RUNNING"]

    monkeypatch.undo()


def test_a_broken_version_is_built_again(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["teacher", "--study", "tiny"]) == 0
    (weights,) = project.folder.glob("mlruns/**/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    assert main(["teacher", "--study", "tiny"]) == 0
    assert "version 1: not reused" in capsys.readouterr().out
    model = mlflow.MlflowClient().get_registered_model("fincompress-tiny")
    assert {alias: int(number) for alias, number in model.aliases.items()} == {"teacher": 2}


def alias_of(variant: str) -> int:
    model = mlflow.MlflowClient().get_registered_model("fincompress-tiny")
    return int(model.aliases[variant])


def test_going_back_to_an_older_recipe_registers_it_once_more(project: Project) -> None:
    first = {"epochs": 1, "patience": 1}
    for budget in (first, {"epochs": 2, "patience": 1}, first):
        project.change(budget=budget)
        assert main(["teacher", "--study", "tiny"]) == 0
    versions = {
        int(v.version): v for v in mlflow.MlflowClient().search_model_versions("name LIKE 'fin%'")
    }
    assert len(runs("build")) == 2, "nothing was trained again"
    assert versions[3].source == versions[1].source != versions[2].source
    assert versions[3].tags == versions[1].tags
    assert alias_of("teacher") == 3


def test_a_newest_version_with_lost_files_does_not_keep_the_alias(project: Project) -> None:
    assert main(["teacher", "--study", "tiny"]) == 0
    assert main(["teacher", "--study", "tiny", "--again"]) == 0
    newest = mlflow.MlflowClient().get_model_version("fincompress-tiny", "2")
    logged = mlflow.get_logged_model(newest.tags["model_id"])
    shutil.rmtree(logged.artifact_location)
    assert main(["teacher", "--study", "tiny"]) == 0
    assert alias_of("teacher") == 3
    mlflow.pyfunc.load_model("models:/fincompress-tiny@teacher")


def test_what_safetensors_cannot_write_is_one_message(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(storage, "save_file", full)
    assert main(["teacher", "--study", "tiny"]) == 1
    error = capsys.readouterr().err
    assert "cannot be written: I/O error: No space left on device" in error
    assert error.count("\n") == 1


def test_a_store_that_is_no_database_is_one_message(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.folder / "mlflow.db").write_bytes(b"not a database" * 100)
    assert main(["recover"]) == 2
    assert "mlflow.db: file is not a database" in capsys.readouterr().err


def start(project: Project, *arguments: str) -> subprocess.Popen[str]:
    """Run the CLI in a process of its own, on the project's experiments."""
    code = (
        "import sys; from pathlib import Path; from fincompress import cli, studies;"
        f"studies.EXPERIMENTS = Path({str(project.folder / 'experiments')!r});"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=project.folder,
        env=os.environ | {"PYTHONPATH": str(Path(workspace.__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_two_builds_at_once_on_an_empty_store_make_one_version(project: Project) -> None:
    pair = [start(project, "teacher", "--study", "tiny") for _ in range(2)]
    printed = [process.communicate(timeout=120)[0] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], printed
    assert len(mlflow.MlflowClient().search_model_versions("name = 'fincompress-tiny'")) == 1
    assert sum("teacher: version 1 is up to date" in text for text in printed) == 1


@pytest.mark.slow
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_build_leaves_no_run_open(
    project: Project, by: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    project.change(budget={"epochs": 100_000, "patience": 100_000})
    process = start(project, "teacher", "--study", "tiny")
    assert process.stdout is not None
    while "epoch 1:" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(by)
    process.communicate(timeout=60)
    time.sleep(0.1)
    if by is signal.SIGKILL:
        assert len([run for run in runs() if run.info.status == "RUNNING"]) == 2
        assert main(["recover"]) == 0
        assert "closed teacher (" in capsys.readouterr().out
    else:
        assert process.returncode == 143
    assert {run.info.status for run in runs("build")} == {"KILLED"}
    assert not [run for run in runs() if run.info.status == "RUNNING"]
    assert mlflow.MlflowClient().search_registered_models() == []

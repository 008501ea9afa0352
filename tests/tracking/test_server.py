"""A store on an `mlflow server`, reached by http and under another name than localhost."""

import gc
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest

from fincompress.cli import main
from fincompress.tracking.store import open_store
from fincompress.tuning import trial_queue
from tests.support.projects import Project, open_project, refusal
from tests.support.runs import runs

pytestmark = pytest.mark.slow
FOREIGN = "127.0.0.2"  # which MLflow does not count among the names of localhost


@dataclass(frozen=True)
class Server:
    """An MLflow server of this test's own that goes by its foreign name only."""

    port: int
    process: "subprocess.Popen[bytes]"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with socket.create_server((FOREIGN, 0)) as free:
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "0.0.0.0", "--port", str(port),
        "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"),
        "--allowed-hosts", f"{FOREIGN}:{port}",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    while True:
        with socket.socket() as tried:
            if tried.connect_ex((FOREIGN, port)) == 0:
                break
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.2)
    yield Server(port, process)
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def remote(
    server: Server,
    tmp_path_factory: pytest.TempPathFactory,
    checkpoint: Path,
    student_checkpoint: Path,
) -> Iterator[Project]:
    """A project whose store is on the server, and whose temporary folder is its own."""
    folder = tmp_path_factory.mktemp("remote")
    with (
        open_project(folder, checkpoint, student_checkpoint) as project,
        pytest.MonkeyPatch.context() as patch,
    ):
        (folder / "tmp").mkdir()
        patch.setenv("TMPDIR", str(folder / "tmp"))
        patch.setattr(tempfile, "tempdir", None)
        mlflow.set_tracking_uri(f"http://{FOREIGN}:{server.port}")
        yield project
    tempfile.tempdir = None


def left_behind(project: Project) -> set[str]:
    """What is in the temporary folder, but for locks, and what libraries keep there for good."""
    names = {path.name for path in (project.folder / "tmp").iterdir()}
    libraries = (".ses", "torchinductor_")  # OpenVINO's and torch's
    return {name for name in names if not name.startswith(("fincompress-locks-", *libraries))}


def test_what_is_built_is_reused_kept_and_loaded(
    remote: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["distill", "--study", "tiny", "--variant", "student_vanilla_kd"]) == 0
    assert main(["distill", "--study", "tiny", "--variant", "student_vanilla_kd"]) == 0
    out = capsys.readouterr().out
    assert out.count("version 1 is up to date") == out.count("version 2 is up to date") == 1
    assert "View run" not in out
    assert {run.info.status for run in runs()} == {"FINISHED"}
    assert all(run.info.artifact_uri.startswith("mlflow-artifacts:") for run in runs())
    assert main(["predict", "--study", "tiny", "--model", "teacher", "profit rose ."]) == 0
    assert '"label": ' in capsys.readouterr().out
    gc.collect()  # by which the copy of its files goes
    assert not left_behind(remote)
    assert not (remote.folder / "mlruns").exists()


def test_tuning_links_to_the_server(
    remote: Project, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["tune", "--study", "tiny", "--variant", "student_vanilla_kd", "--workers", "0"]
    assert main([*command, "--trials", "2", "--epochs", "1"]) == 0
    (study,) = runs("tune")
    assert study.info.status == "FINISHED"
    storage = trial_queue.open_storage("sqlite:///optuna.db")
    attributes = str(storage.get_study_system_attrs(1))
    assert f"http://{FOREIGN}:{server.port}/#/experiments/" in attributes
    assert not left_behind(remote)


def test_a_server_that_does_not_know_its_name_is_one_message(
    remote: Project, server: Server
) -> None:
    mlflow.set_tracking_uri(f"http://127.0.0.1:{server.port}")
    assert refusal(open_store) == (
        f"MLflow store http://127.0.0.1:{server.port}: answers 403, as the server does not go by "
        f"the name '127.0.0.1:{server.port}'; start it with --allowed-hosts "
        f"127.0.0.1:{server.port}, and all the other names that it is reached by"
    )
    mlflow.set_tracking_uri(f"http://{FOREIGN}:{server.port}")


def test_measuring_and_promoting(remote: Project) -> None:
    assert main(["benchmark", "--study", "tiny"]) == 0
    assert main(["promote", "--study", "tiny"]) == 0
    model = mlflow.MlflowClient().get_registered_model("fincompress-tiny")
    assert "champion" in model.aliases
    assert not left_behind(remote)

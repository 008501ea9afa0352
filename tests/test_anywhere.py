"""A project in a folder named `sp ace é`, with MLflow's default store, printing in latin-1."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest

from fincompress.tracking import store
from fincompress.tracking.store import open_store
from tests.conftest import Project, open_project


@pytest.fixture
def spaced(
    tmp_path: Path, checkpoint: Path, student_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    folder = tmp_path / "sp ace é"
    folder.mkdir()
    with open_project(folder, checkpoint, student_checkpoint) as project:
        mlflow.set_tracking_uri(None)
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield project


def test_the_default_store_is_in_the_folder_and_leaves_no_other(spaced: Project) -> None:
    assert "%20" in mlflow.get_tracking_uri(), "MLflow's own spelling"
    open_store()
    assert mlflow.get_tracking_uri() == f"sqlite:///{spaced.folder}/mlflow.db"
    assert (spaced.folder / "mlflow.db").stat().st_size
    assert [path.name for path in spaced.folder.parent.iterdir()] == [spaced.folder.name]


@pytest.mark.parametrize("given", ["sqlite:///mlflow.db", "sqlite:///./x/../mlflow.db"])
def test_one_file_has_one_address(spaced: Project, given: str) -> None:
    mlflow.set_tracking_uri(given)
    open_store()
    assert mlflow.get_tracking_uri() == f"sqlite:///{spaced.folder}/mlflow.db"


def test_two_checkouts_on_one_store_exclude_each_other(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[Path] = []

    @contextmanager
    def hold(file: Path, waiting: str) -> Iterator[None]:
        held.append(file)
        yield

    monkeypatch.setattr(store, "hold", hold)
    (project.folder / "other").mkdir()
    for folder in (project.folder, project.folder / "other"):
        monkeypatch.chdir(folder)
        with store.lock("work"):
            pass
    mlflow.set_tracking_uri(f"sqlite:///{project.folder}/other.db")
    with store.lock("work"):
        pass
    first, second, other_store = held
    assert first == second != other_store


@pytest.mark.slow
def test_a_name_that_the_terminal_cannot_show_is_escaped(spaced: Project) -> None:
    corpus = spaced.folder / "sätze →.jsonl"
    (spaced.folder / "tiny.jsonl").rename(corpus)
    spaced.change(data={"sources": [str(corpus)]})
    code = (
        "import sys; from pathlib import Path; from fincompress import cli, experiments;"
        "experiments.EXPERIMENTS = Path('experiments'); sys.exit(cli.main(sys.argv[1:]))"
    )
    root = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", code, "prepare", "--study", "tiny"]
    environment = os.environ | {"PYTHONPATH": root, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, cwd=spaced.folder, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    ascii = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    refused = subprocess.run(
        command, cwd=spaced.folder, env=environment | ascii, capture_output=True
    )
    assert refused.returncode == 2 and refused.stderr.count(b"\n") == 1
    assert b"cannot be read in the encoding ascii; set PYTHONUTF8=1" in refused.stderr
    assert done.stdout.startswith("data: sätze \\u2192, 43 / 10 / 10".encode("latin-1"))

"""A project in a folder named `sp ace é`, with MLflow's default store, printing in latin-1."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest

from fincompress.artifact import Artifact
from fincompress.evaluation.results import Benchmark
from fincompress.reports.summary import Holder, summary
from fincompress.tracking import registry, store
from fincompress.tracking.store import open_store
from tests.support.projects import Project, open_project
from tests.support.registry import registered


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
    assert store.is_default_store()
    assert (spaced.folder / "mlflow.db").stat().st_size
    assert [path.name for path in spaced.folder.parent.iterdir()] == [spaced.folder.name]


@pytest.mark.parametrize("given", ["sqlite:///mlflow.db", "sqlite:///./x/../mlflow.db"])
def test_one_file_has_one_address(spaced: Project, given: str) -> None:
    mlflow.set_tracking_uri(given)
    open_store()
    assert mlflow.get_tracking_uri() == f"sqlite:///{spaced.folder}/mlflow.db"


def test_another_file_is_not_the_default_store(spaced: Project) -> None:
    mlflow.set_tracking_uri("sqlite:///other.db")
    open_store()
    assert not store.is_default_store()


@pytest.mark.slow
def test_what_a_study_ends_with_asks_the_champion_and_leaves_no_other_folder(
    tmp_path: Path, checkpoint: Path, student_checkpoint: Path, base: Artifact
) -> None:
    folder = tmp_path / "sp ace é 5 %"
    folder.mkdir()
    with registered(folder, checkpoint, student_checkpoint, base) as study:
        assert store.is_default_store()
        registry.set_alias(study, "champion", 1)
        before = set(tmp_path.iterdir())
        measured = Benchmark(
            study="tiny", synthetic=True, notes=(), environment={}, measurements=()
        )
        champion = Holder("teacher", 1)
        python = shlex.quote(sys.executable)
        text = summary(study, measured, champion, python=python, default_store=True)
        ask = next(line for line in text.splitlines() if line.startswith("  "))
        environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
        done = subprocess.run(
            ask, shell=True, cwd=folder, env=environment, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    assert "'label': " in done.stdout
    assert set(tmp_path.iterdir()) == before


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
        "import sys; from pathlib import Path; from fincompress import cli, studies;"
        "studies.EXPERIMENTS = Path('experiments'); sys.exit(cli.main(sys.argv[1:]))"
    )
    root = str(Path(__file__).parents[2])
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

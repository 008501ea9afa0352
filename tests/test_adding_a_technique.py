"""`docs/adding-a-technique.md` works as written: its files, in a copy, and its commands."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from fincompress.artifact import read_artifact
from tests.support.projects import open_project, write_checkpoint

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "adding-a-technique.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
COMMANDS, TESTS = (
    [line for block in re.findall(rf"<!-- {kind} -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
     for line in block.splitlines()]
    for kind in ("run", "test")
)  # fmt: skip


def run(command: str, folder: Path) -> str:
    """Run a command of the page in `folder`, whose copy of the package comes before any other."""
    program, *arguments = shlex.split(command)
    assert program == "python", command
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write_files_of_the_page(folder: Path, *copies: str) -> None:
    """Copy what `copies` names into `folder`, and add what the page says to write."""
    for copied in copies:
        shutil.copytree(ROOT / copied, folder / copied, ignore=shutil.ignore_patterns("results"))
    for name, text in FILES.items():
        assert not (ROOT / name).exists(), f"{name} is in the repository already"
        (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.slow
def test_the_page_builds_and_registers_a_variant(tmp_path: Path) -> None:
    base = write_checkpoint(tmp_path / "base", width=32, layers=6, heads=2, ffn=48)
    folder = tmp_path / "project"
    folder.mkdir()
    with open_project(folder, base, base) as project:
        write_files_of_the_page(folder, "fincompress")
        project.study_file.rename(project.study_file.with_stem("quickstart"))
        assert len(FILES) == 2 and len(COMMANDS) == 1
        for command in COMMANDS:
            run(command, folder)
        assert "up to date" in run(COMMANDS[0], folder)

        client = mlflow.MlflowClient()
        version = client.get_model_version_by_alias("fincompress-quickstart", "pruned-layers")
        assert version.tags["technique"] == "prune_layers"
        assert version.tags["variant"] == "pruned_layers"
        model = mlflow.artifacts.download_artifacts(
            artifact_uri="models:/fincompress-quickstart@pruned-layers",
            dst_path=str(tmp_path / "model"),
        )
        manifest = next(Path(model).rglob("manifest.json"))
        layers = read_artifact(manifest.parent).manifest.layout.layers
        assert len(layers) == 3
        assert json.loads(manifest.read_text())["technique"] == "prune_layers"


@pytest.mark.slow
def test_the_technique_of_the_page_keeps_the_contract(tmp_path: Path) -> None:
    write_files_of_the_page(tmp_path, "fincompress", "experiments", "tests")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert len(TESTS) == 1
    assert re.search(r"[1-9] passed", run(TESTS[0], tmp_path))

"""Registered models asked as they are served: in a process that runs the code they carry."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pytest

from fincompress.artifact import Artifact
from fincompress.commands.promote import rollback
from fincompress.data import SENTIMENT
from fincompress.runtimes import load_runtime
from fincompress.studies.study import Study
from fincompress.tracking import registry, served_model, served_model_process
from tests.support.projects import refusal, tiny_sentences
from tests.support.registry import MODEL, register, roles

TEXTS = [text for text, _ in tiny_sentences()[:6]]
AGAIN = "; run: fincompress benchmark --study tiny"


@pytest.fixture
def carried(study: Study) -> Iterator[Path]:
    """The code that version 1 carries, as it was afterwards."""
    logged = mlflow.get_logged_model(
        mlflow.MlflowClient().get_model_version(MODEL, "1").tags["model_id"]
    )
    file = Path(logged.artifact_location) / "code" / "fincompress" / "runtimes" / "__init__.py"
    text = file.read_text()
    yield file
    file.write_text(text)


def test_what_is_asked_is_what_is_served(
    study: Study, base: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the folder that a command runs in nor the path of its process has any say."""
    for folder in (tmp_path, Path.cwd()):
        broken = folder / "fincompress"
        broken.mkdir()
        (broken / "__init__.py").write_text("raise ImportError('not the code of the model')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = served_model.predict_served(study, 1, [TEXTS[:4], TEXTS[4:]], 1)
    places = load_runtime("torch_eager").load(base, 1)(TEXTS).argmax(axis=1)
    assert found.labels == tuple(SENTIMENT[place] for place in places)
    assert 0 < found.overhead_ms < 100 and found.way == "torch_eager"


def test_the_code_of_the_version_answers_and_not_the_checkouts(
    study: Study, base: Artifact, carried: Path
) -> None:
    text = carried.read_text()
    assert text.count("        return logits\n") == 1
    carried.write_text(text.replace("        return logits\n", "        return -logits\n"))
    least = load_runtime("torch_eager").load(base, 1)(TEXTS).argmin(axis=1)
    assert served_model.predict_served(study, 1, [TEXTS], 1).labels == tuple(
        SENTIMENT[place] for place in least
    )


def test_a_version_is_loaded_with_the_threads_asked_for(study: Study, carried: Path) -> None:
    own = "\ndef build_classifier(\n    artifact: Artifact,\n    infer: Infer,\n    threads: int,\n"
    text = carried.read_text()
    head, found, tail = text.partition(own)
    assert found
    start = tail.index("    labels, encode =")
    shout = "    raise UserError(f'{threads} threads')\n"
    carried.write_text(head + found + tail[:start] + shout + tail[start:])
    assert refusal(lambda: served_model.predict_served(study, 1, [TEXTS], 1)) == (
        f"models:/fincompress-tiny/1 does not load: 1 threads{AGAIN}"
    )


def test_code_that_does_not_say_what_computes_is_asked_all_the_same(
    study: Study, carried: Path
) -> None:
    """As the code of versions from before there was a choice."""
    text = carried.read_text()
    assert text.count("    def way(self)") == 2, "of the protocol, and of the class"
    carried.write_text(text.replace("    def way(self)", "    def _way(self)"))
    assert served_model.predict_served(study, 1, [TEXTS], 1).way == ""


def test_a_version_from_elsewhere_is_refused_by_name(study: Study, tmp_path: Path) -> None:
    client = mlflow.MlflowClient()
    first = client.get_model_version(MODEL, "1")
    tags = {key: value for key, value in first.tags.items() if key != "runtime"}
    entry = client.create_model_version(MODEL, first.source, first.run_id, tags=tags)
    assert refusal(lambda: registry.fetch(MODEL, int(entry.version), tmp_path)) == (
        f"{MODEL} version {entry.version}: was not registered by this project: "
        "it has no tag 'runtime'"
    )


def test_code_that_a_version_does_not_carry_is_refused(study: Study, carried: Path) -> None:
    package = carried.parents[1]
    hidden = package.rename(package.with_name("elsewhere"))
    try:
        message = refusal(lambda: served_model.predict_served(study, 1, [TEXTS], 1))
    finally:
        hidden.rename(package)
    assert message.startswith("models:/fincompress-tiny/1 does not load: ")
    assert message.endswith(f"No module named 'fincompress'{AGAIN}")


def test_a_process_that_dies_is_one_message(study: Study, carried: Path) -> None:
    carried.write_text("import os, sys\nprint('out of memory', file=sys.stderr)\nos._exit(9)\n")
    assert refusal(lambda: served_model.predict_served(study, 1, [TEXTS], 1)) == (
        "models:/fincompress-tiny/1 does not load: its process ended with exit code 9: "
        f"out of memory{AGAIN}"
    )


def test_a_process_that_says_nothing_is_one_message(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_model, "SERVED_PATIENCE_S", 0.1)
    assert refusal(lambda: served_model.predict_served(study, 1, [TEXTS], 1)) == (
        f"models:/fincompress-tiny/1 does not load: no answer within 0.1 s{AGAIN}"
    )


def test_a_rollback_to_files_that_are_gone_moves_nothing(study: Study, carried: Path) -> None:
    number = register("good")
    registry.set_alias(study, "champion", 1)
    with mlflow.start_run(
        tags={
            "fincompress.stage": "promote", "fincompress.study": "tiny",
            "fincompress.dry_run": "false", "fincompress.champion_before": "1",
            "fincompress.champion_after": str(number),
        }
    ):  # fmt: skip
        registry.set_alias(study, "champion", number)
    model = carried.parents[3] / "MLmodel"
    lost = model.rename(model.with_name("gone"))
    try:
        message = refusal(lambda: rollback(study))
    finally:
        lost.rename(model)
    assert message.startswith("models:/fincompress-tiny/1 does not load: ")
    assert message.endswith(AGAIN) and roles()["champion"] == number


@pytest.mark.parametrize("mode", [0, 1])
def test_its_process_gets_the_utf8_mode_and_no_address_as_arguments(
    study: Study, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    """An address may hold a password, and everybody sees the arguments of a machine's processes.

    `PYTHONUTF8`, in which a store's folder may only be readable, is not read by `-E`.
    """
    asked: list[list[str]] = []

    def run(arguments: list[str], **more: object) -> subprocess.CompletedProcess[str]:
        asked.append([*arguments, str(more["input"])])
        answer = {"labels": ["neutral"], "overhead_ms": 0.1, "way": ""}
        return subprocess.CompletedProcess(arguments, 0, json.dumps(answer), "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "flags", SimpleNamespace(utf8_mode=mode))
    assert served_model.predict_served(study, 1, [["profit rose ."]], 1).labels == ("neutral",)
    assert mlflow.get_tracking_uri() not in str(asked)
    assert f"-Xutf8={mode}" in asked[0]


def test_an_editable_installation_cannot_be_imported(tmp_path: Path) -> None:
    """Neither by a folder on the path nor by a finder, the two ways in which it is made."""
    (tmp_path / "fincompress").mkdir()
    (tmp_path / "fincompress" / "__init__.py").touch()
    code = (
        "import importlib.util, runpy, sys\n"
        "class Finder:\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        "        return importlib.util.spec_from_file_location(name, __file__)\n"
        "class Old:\n"
        "    find_module = staticmethod(lambda name, path=None: None)\n"
        "sys.meta_path += [Finder, Old]\n"
        f"sys.path.append({str(tmp_path)!r})\n"
        f"hide = runpy.run_path({served_model_process.__file__!r})['hide']\n"
        "hide('fincompress')\n"
        "hidden = Finder not in sys.meta_path and importlib.util.find_spec('mlflow') is not None\n"
        "print(importlib.util.find_spec('fincompress'), hidden)"
    )
    program = tmp_path / "program.py"
    program.write_text(code)
    done = subprocess.run(
        [sys.executable, "-E", "-P", str(program)], capture_output=True, text=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )  # fmt: skip
    assert (done.stdout.split(), done.stderr) == (["None", "True"], "")

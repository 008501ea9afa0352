"""A store that does not answer is no store without aliases, runs or versions."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import mlflow
import pytest
from mlflow import MlflowException

from fincompress.artifact import Artifact
from fincompress.studies.study import Study
from fincompress.studies.variants import load_variants
from fincompress.tracking import registry, runs
from tests.support.projects import Project

NOT_THERE = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such thing"})
BROKEN = (503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "the database is away"})
FORBIDDEN = (403, {"error_code": "PERMISSION_DENIED", "message": "not yours"})


@pytest.fixture
def server(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    """A tracking server that says to everything what its `answer` is."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, body = self.server.answer  # type: ignore[attr-defined]
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with HTTPServer(("127.0.0.1", 0), Handler) as found:
        Thread(target=found.serve_forever, daemon=True).start()
        mlflow.set_tracking_uri(f"http://127.0.0.1:{found.server_port}")
        yield found
        found.shutdown()


def test_what_a_store_does_not_have_is_not_there(project: Project, server: HTTPServer) -> None:
    server.answer = NOT_THERE  # type: ignore[attr-defined]
    assert registry.aliases(Study.load("tiny")) == {} and not runs.exists("0" * 32)
    mlflow.set_tracking_uri(f"sqlite:///{project.folder}/mlflow.db")
    assert registry.aliases(Study.load("tiny")) == {} and not runs.exists("0" * 32)


@pytest.mark.parametrize(
    ("answer", "message"), [(BROKEN, "too many 503 error responses"), (FORBIDDEN, "not yours")]
)
def test_a_server_that_fails_is_not_one_without_aliases_or_runs(
    server: HTTPServer, answer: tuple[int, dict[str, str]], message: str
) -> None:
    server.answer = answer  # type: ignore[attr-defined]
    with pytest.raises(MlflowException, match=message):
        registry.aliases(Study.load("tiny"))
    with pytest.raises(MlflowException, match=message):
        runs.exists("0" * 32)


def test_a_server_that_is_away_is_not_one_without_aliases_or_runs(server: HTTPServer) -> None:
    server.server_close()
    for ask in (lambda: registry.aliases(Study.load("tiny")), lambda: runs.exists("0" * 32)):
        with pytest.raises(MlflowException, match="failed with exception"):
            ask()


@pytest.fixture(scope="module")
def study(study: Study, base: Artifact) -> Study:
    """A model is kept in its run, too."""
    kept = replace(load_variants()["teacher"], name="kept")
    tags = {"stage": "build", "study": "tiny", "variant": "kept", "fingerprint": "f"}
    with runs.step("kept", tags):
        registry.keep(study, kept, base)
    return study


def both(study: Study, base: Artifact) -> list[registry.Version | None]:
    """What is found of a version, and of what was kept in a run."""
    spec = load_variants()["teacher"]
    kept = replace(spec, name="kept")
    fingerprint = base.manifest.fingerprint
    return [
        registry.find(study, spec, fingerprint, base.path.parent),
        registry.find_kept(study, kept, "f", base.path.parent),
    ]


def test_an_artifact_store_that_is_away_is_no_reason_to_build_again(
    study: Study, base: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert None not in both(study, base)
    teacher = load_variants()["teacher"]

    def away(*_: object, **__: object) -> None:
        raise MlflowException("API request to http://store failed with exception")

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", away)
    for listed in (away, lambda **_: ["manifest.json"]):  # it does not list either, or it does
        monkeypatch.setattr(mlflow.artifacts, "list_artifacts", listed)
        with pytest.raises(MlflowException, match="http://store failed"):
            registry.find(study, teacher, base.manifest.fingerprint, tmp_path)
        with pytest.raises(MlflowException, match="http://store failed"):
            registry.find_kept(study, replace(teacher, name="kept"), "f", tmp_path)


def test_files_that_are_gone_are_built_again(
    study: Study, base: Artifact, capsys: pytest.CaptureFixture[str]
) -> None:
    for manifest in Path("mlruns").resolve().rglob("artifact/manifest.json"):
        shutil.rmtree(manifest.parent)
    assert both(study, base) == [None, None]
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("fincompress-tiny version 1: not reused: ")
    assert first.endswith("/artifacts/artifact: its files are gone")
    assert second.startswith("kept: run ") and second.endswith("/artifact: its files are gone")

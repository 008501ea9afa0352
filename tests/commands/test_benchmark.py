"""Who is measured beside whom, and what a benchmark leaves whose decision fails."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest

from fincompress.artifact import Artifact
from fincompress.benchmark.process import Subject
from fincompress.benchmark.protocol import MeasuredSubjects
from fincompress.commands import benchmark as command
from fincompress.commands.benchmark import Selection
from fincompress.commands.builder import Builder
from fincompress.commands.options import Options
from fincompress.commands.workspace import open_workspace
from fincompress.config import UserError
from fincompress.evaluation.results import Answers
from fincompress.studies.study import Study
from fincompress.tracking import registry, runs
from fincompress.tracking.registry import Version
from tests.support.projects import refusal
from tests.support.registry import MODEL, benchmark, register

STUDENT, INT8 = "student_intermediate_kd", "student_ptq"


@pytest.fixture
def builder(study: Study, base: Artifact, tmp_path: Path) -> Iterator[Builder]:
    """Of versions that were found in another order than that in which they were made."""
    versions = {
        name: Version(MODEL, number, name, f"run-{number}", f"m-{number}", base)
        for name, number in ((INT8, 3), (STUDENT, 2), ("teacher", 1))
    }
    with open_workspace(Options(study="tiny")) as workspace:
        yield Builder(workspace, versions)


def ask_for_peers(builder: Builder, of: str = STUDENT) -> None:
    study = replace(builder.workspace.study, peers=True, peers_of=of)
    builder.workspace = replace(builder.workspace, study=study)


def test_the_teacher_is_the_reference_whatever_the_order_of_the_files(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_export_sources", lambda builder: ({}, {}))
    names = " ".join(subject.variant for subject in command.select_subjects(builder).subjects)
    assert names == f"teacher {INT8} {STUDENT} tfidf_floor"


def test_a_variant_that_no_engine_runs_is_left_to_its_own_process(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose_engine(runtime: str, *_: object) -> str:
        if runtime == "auto":
            raise UserError("no engine answers the probe as PyTorch does")
        return runtime

    monkeypatch.setattr(command, "choose_engine", choose_engine)
    references, exported = command._export_sources(builder)
    assert references == {STUDENT: "teacher"} and not exported and not builder.failed


def test_a_champion_that_is_a_version_of_today_is_measured_once(builder: Builder) -> None:
    """Also where `renew` has registered its model under a new number."""
    again = register(INT8, model="near-3")
    builder.versions = {INT8: replace(builder.versions[INT8], number=again)}
    registry.set_alias(builder.workspace.study, "champion", 3)
    assert not command._former_champion(builder)


def test_a_decision_that_fails_leaves_a_whole_benchmark(
    builder: Builder, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log_benchmark(*_: object, **__: object) -> None:
        runs.set_tag("measured", "all")

    def promote(*_: object, **__: object) -> None:
        raise UserError("the incumbent does not load")

    monkeypatch.setattr(command, "select_subjects", lambda builder: Selection((), {}))
    monkeypatch.setattr(command, "training_seconds", lambda *_: (0.0, 0.0))
    monkeypatch.setattr(command, "_build_seconds", lambda _: {})
    monkeypatch.setattr(command, "measure", lambda *_, **__: MeasuredSubjects((), {}, {}))
    monkeypatch.setattr(command, "compare", lambda *_: (benchmark(), answers))
    monkeypatch.setattr(command, "log_benchmark", log_benchmark)
    monkeypatch.setattr(command, "promote", promote)
    assert refusal(lambda: command.run_benchmark(builder)) == "the incumbent does not load"
    run_id = runs.find_run("benchmark", "tiny", measured="all")
    assert run_id is not None and mlflow.get_run(run_id).info.status == "FINISHED"


def test_a_variant_of_the_peers_that_was_not_built_is_named(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask_for_peers(builder, "student_ptc")
    asked: list[str] = []

    def list_peers(
        teacher: Artifact, student: Artifact, name: str, *_: object
    ) -> dict[str, Callable[[], Subject]]:
        asked.append(name)
        return {}

    monkeypatch.setattr("fincompress.benchmark.peers.list_peers", list_peers)
    monkeypatch.setattr("fincompress.benchmark.peers.has_model2vec", lambda: True)
    assert command._peers(builder) == []
    assert asked == ["teacher"]
    assert capsys.readouterr().out == (
        "experiments/tiny.yaml: peers_of: 'student_ptc' was not built; did you mean "
        "'student_ptq'?; the peers are those of teacher\n"
    )


def test_a_peer_that_cannot_be_made_costs_its_own_row(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask_for_peers(builder)
    made = Subject("teacher@engine", None, "torch_eager", builder.versions["teacher"].artifact)

    def fail() -> Subject:
        raise RuntimeError("an operation that it does not know")

    def list_peers(*_: object) -> dict[str, Callable[[], Subject]]:
        return {"teacher@broken": fail, "teacher@engine": lambda: made}

    monkeypatch.setattr("fincompress.benchmark.peers.list_peers", list_peers)
    monkeypatch.setattr("fincompress.benchmark.peers.has_model2vec", lambda: True)
    assert command._peers(builder) == [made]
    said = capsys.readouterr().out
    assert "teacher@broken: failed: " in said and "an operation that it does not know" in said
    assert "teacher@broken" not in builder.failed, "the command has done what it was asked for"


def test_static_embeddings_without_their_library_are_left_out_with_a_line(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask_for_peers(builder)
    monkeypatch.setattr("fincompress.benchmark.peers.list_peers", lambda *_: {})
    monkeypatch.setattr("fincompress.benchmark.peers.has_model2vec", lambda: False)
    assert command._peers(builder) == []
    assert capsys.readouterr().out.endswith(
        "benchmark: without model2vec, which is not installed: pip install --editable '.[peers]'\n"
    )

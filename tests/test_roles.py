"""Decisions and rollbacks on a real registry, where one tiny model stands under several names."""

import errno
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
import torch
from mlflow.entities import Run

from fincompress.artifact import Artifact, read_artifact
from fincompress.cli import main
from fincompress.data import Sentences
from fincompress.evaluation.measurement import Answers, Benchmark
from fincompress.evaluation.quality import gather
from fincompress.experiments import Study, load_study, load_variants
from fincompress.promotion import ROLES
from fincompress.roles import promote_best, rollback
from fincompress.runtimes import load_runtime
from fincompress.spec import dump
from fincompress.tracking import registry, runs
from fincompress.tracking.store import open_store
from tests.conftest import open_project, refusal, tiny_sentences
from tests.test_promotion import measured

MODEL = "fincompress-tiny"
TEXTS = tuple(text for text, _ in tiny_sentences()[:9])


def register(variant: str) -> int:
    """Register the files of version 1 once more, as another variant."""
    client = mlflow.MlflowClient()
    first = client.get_model_version(MODEL, "1")
    tags = first.tags | {"variant": variant}
    return int(client.create_model_version(MODEL, first.source, first.run_id, tags=tags).version)


@pytest.fixture(scope="module")
def published(
    tmp_path_factory: pytest.TempPathFactory,
    checkpoint: Path,
    student_checkpoint: Path,
    base: Artifact,
) -> Iterator[Study]:
    """Version 1 is the teacher, 2 and 4 are `good`, 3 is `near`."""
    folder = shutil.copytree(base.path, tmp_path_factory.mktemp("copy") / registry.ARTIFACT)
    with open_project(tmp_path_factory.mktemp("roles"), checkpoint, student_checkpoint) as project:
        project.change(gate={"max_f1_drop": 0.9, "min_agreement": 0, "min_speedup": 0.001})
        open_store()
        study = load_study("tiny")
        with runs.step("teacher", {"stage": "build"}):
            card = project.folder / "model_card.md"
            card.write_text("a card")
            registry.publish(study, load_variants()["teacher"], read_artifact(folder), card)
        assert [register(variant) for variant in ("good", "near", "good")] == [2, 3, 4]
        yield study


@pytest.fixture
def study(published: Study, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Without roles and without a history."""
    monkeypatch.setattr("fincompress.roles.CALLS", 5)
    client = mlflow.MlflowClient()
    for run in decisions():
        client.delete_run(run.info.run_id)
    for role in set(roles()) & set(ROLES):
        client.delete_registered_model_alias(MODEL, role)
    return published


@pytest.fixture
def answers(base: Artifact) -> Answers:
    """What the model under all the names does answer."""
    rows = load_runtime("torch_eager").load(base, 1)(TEXTS)
    part = Sentences(TEXTS, tuple(rows.argmax(axis=1).tolist()), ("tiny",) * len(TEXTS))
    logits = {variant: {"val": rows} for variant in ("teacher", "good", "near")}
    return gather({"val": part}, logits)


def benchmark(good: float = 5.0, near: float = 9.0, number: int = 2, why: str = "") -> Benchmark:
    """The medians of `good`, whose version is `number`, and `near`; the teacher's is 10 ms."""
    measurements = (
        replace(measured("teacher", 0.9, 10.0, 90.0, unreliable=why), version=1),
        replace(measured("good", 0.9, good, 70.0, unreliable=why), version=number),
        replace(measured("near", 0.9, near, 80.0, unreliable=why), version=3),
        replace(measured("tfidf_floor", 0.9, 0.1, 0.1), version=None),
    )
    return Benchmark(
        study="tiny", synthetic=False, notes=(), environment={}, measurements=measurements
    )


def roles() -> dict[str, int]:
    return registry.aliases(load_study("tiny"))


def decisions() -> list[Run]:
    """The runs of decisions and rollbacks, the newest first."""
    terms = "tags.`fincompress.stage` = 'promote'"
    return list(mlflow.search_runs(None, terms, search_all_experiments=True, output_format="list"))


def moved(run: Run) -> tuple[str | None, str | None]:
    tags = run.data.tags
    return tags.get("fincompress.champion_before"), tags.get("fincompress.champion_after")


def text_of(run: Run) -> str:
    return runs.read_run_file(run.info.run_id, "decision.txt")


def test_a_first_decision_gives_every_role_and_is_a_run(study: Study, answers: Answers) -> None:
    promote_best(study, benchmark(), answers)
    assert [roles().get(role) for role in ROLES] == [2, 3, 2, 2, 1]
    (run,) = decisions()
    assert moved(run) == (None, "2")
    assert 0 < run.data.metrics["pyfunc_overhead_ms"] < 100
    assert "good is champion: it is the fastest that passes\n" in text_of(run)
    assert "near     same answers        1 " in text_of(run)
    assert "champion goes to version 2 (good)\n" in text_of(run)


def test_the_incumbent_is_replaced_beyond_noise_only(study: Study, answers: Answers) -> None:
    promote_best(study, benchmark(), answers)
    promote_best(study, benchmark(near=4.9), answers)
    assert roles()["champion"] == 2 and roles()["challenger"] == roles()["fastest"] == 3
    promote_best(study, benchmark(near=4.0), answers)
    assert roles()["champion"] == 3 and roles()["challenger"] == 2
    assert [moved(run) for run in decisions()] == [("2", "3"), ("2", "2"), (None, "2")]
    assert "champion goes from version 2 (good) to version 3 (near)\n" in text_of(decisions()[0])


def test_a_newer_version_of_the_incumbent_takes_the_alias_over(
    study: Study, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    promote_best(study, benchmark(), answers)
    promote_best(study, benchmark(near=4.9, number=4), answers)
    assert roles()["champion"] == 4
    printed = capsys.readouterr().out
    assert "good stays champion: near (4.90 ms [4.66, 5.15]) is not faster beyond" in printed
    assert "champion goes from version 2 (good) to version 4 (good)\n" in printed


def test_unreliable_timings_move_no_role_that_is_about_speed(
    study: Study, answers: Answers
) -> None:
    promote_best(study, benchmark(), answers)
    before = roles()
    promote_best(study, benchmark(near=1.0, why="the clock jumped"), answers)
    assert roles() == before
    assert moved(decisions()[0]) == ("2", "2")
    assert "good stays champion: no candidate was timed reliably" in text_of(decisions()[0])


def test_a_challenger_that_no_variant_can_be_is_dropped(study: Study, answers: Answers) -> None:
    promote_best(study, benchmark(), answers)
    strict = replace(study, gate=replace(study.gate, max_size_mb=75.0))
    promote_best(strict, benchmark(), answers)
    assert roles()["champion"] == 2 and "challenger" not in roles()


def test_a_model_that_answers_otherwise_than_measured_is_not_promoted(
    study: Study, answers: Answers
) -> None:
    first, *rest = answers.logits["good"]["val"]
    other = {"good": {"val": ((*first[1:], first[0]), *rest)}}
    promote_best(study, benchmark(), replace(answers, logits=answers.logits | other))
    assert roles()["champion"] == 3 and roles()["challenger"] == 1
    assert "good     same answers        0.8889  at least 1" in text_of(decisions()[0])


def test_a_model_that_does_not_load_moves_nothing(
    study: Study, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object, **__: object) -> None:
        raise mlflow.MlflowException("No such artifact: 'MLmodel'")

    monkeypatch.setattr(mlflow.pyfunc, "load_model", lost)
    assert refusal(lambda: promote_best(study, benchmark(), answers)) == (
        "models:/fincompress-tiny/2 does not load: No such artifact: 'MLmodel'; "
        "run: fincompress benchmark --study tiny"
    )
    assert not decisions() and "champion" not in roles()


def test_a_decision_that_cannot_be_recorded_moves_nothing(
    study: Study, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(runs, "log_text", full)
    with pytest.raises(OSError, match="No space left"):
        promote_best(study, benchmark(), answers)
    assert [run.info.status for run in decisions()] == ["FAILED"] and "champion" not in roles()


def test_a_version_loads_with_the_threads_of_the_benchmark(study: Study) -> None:
    before, path = torch.get_num_threads(), list(sys.path)
    try:
        for threads in (1, 3):
            model = registry.load(study, 1, threads).unwrap_python_model()
            assert model.predictor.threads == threads
    finally:
        torch.set_num_threads(before)
    assert sys.path == path


def test_promote_decides_from_what_the_last_benchmark_left(
    study: Study, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    tags = {"stage": "benchmark", "study": "tiny", "measured": "all"}
    with runs.step("benchmark", tags):
        runs.log_json(dump(benchmark()), "benchmark_results.json")
        runs.log_json(dump(answers), "answers.json")
    assert main(["promote", "--study", "tiny"]) == 0
    with runs.step("benchmark", tags) as without:
        runs.log_json(dump(benchmark(near=1.0)), "benchmark_results.json")
    assert main(["promote", "--study", "tiny"]) == 2
    assert roles()["champion"] == 2
    error = capsys.readouterr().err
    assert f"run {without}: artifact answers.json cannot be read" in error
    assert error.endswith("; run: fincompress benchmark --study tiny\n")


def test_rollback_goes_back_champion_by_champion(
    study: Study, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    promote_best(study, benchmark(), answers)
    promote_best(study, benchmark(near=4.0), answers)
    promote_best(study, benchmark(near=4.0), answers)  # moves nothing, and neither does a dry run
    promote_best(study, benchmark(good=1.0), answers, dry_run=True)
    assert roles()["champion"] == 3
    promote_best(study, benchmark(near=4.0, good=2.0, number=4), answers)
    capsys.readouterr()
    assert main(["promote", "--study", "tiny", "--rollback", "--dry-run"]) == 0
    assert capsys.readouterr().out == (
        "rollback of tiny\nchampion goes from version 4 (good) to version 3 (near)\n"
        "dry run: no alias was moved\n"
    )
    assert roles()["champion"] == 4
    assert main(["promote", "--study", "tiny", "--rollback"]) == 0
    assert roles()["champion"] == 3
    run = decisions()[0]
    assert moved(run) == ("4", "3") and run.data.tags["fincompress.rollback"] == "true"
    assert "champion goes from version 4 (good) to version 3 (near)\n" in text_of(run)
    rollback(study)
    assert roles()["champion"] == 2
    assert main(["promote", "--study", "tiny", "--rollback"]) == 2
    assert capsys.readouterr().err == (
        "fincompress: fincompress-tiny: version 2 is the first champion on record; "
        "there is none to go back to\n"
    )


def test_rollback_without_a_champion_says_what_to_run(study: Study) -> None:
    assert refusal(lambda: rollback(study)) == (
        "fincompress-tiny: no version is champion yet; run: fincompress promote --study tiny"
    )


def test_rollback_names_an_earlier_champion_that_is_gone(study: Study, answers: Answers) -> None:
    number = register("good")
    promote_best(study, benchmark(number=number), answers)
    promote_best(study, benchmark(near=2.0, number=number), answers)
    mlflow.MlflowClient().delete_model_version(MODEL, str(number))
    assert refusal(lambda: rollback(study)) == (
        f"fincompress-tiny: version {number}, the champion before version 3, is gone; "
        "to decide again, run: fincompress promote --study tiny"
    )
    assert roles()["champion"] == 3

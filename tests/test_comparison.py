"""Who is measured beside whom, and what a benchmark leaves whose decision fails."""

# ruff: noqa: F811
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest

from fincompress.artifact import Artifact
from fincompress.benchmark.process import Subject
from fincompress.commands import benchmark as command
from fincompress.commands.options import Options
from fincompress.commands.workspace import Workshop
from fincompress.config import UserError
from fincompress.evaluation.results import Answers, Benchmark
from fincompress.studies.study import Study
from fincompress.studies.variants import load_variants
from fincompress.tracking import registry, runs
from fincompress.tracking.registry import Version
from tests.conftest import refusal
from tests.registered import (
    MODEL,
    answers,  # noqa: F401
    benchmark,
    loaded,  # noqa: F401
    published,  # noqa: F401
    register,
    study,  # noqa: F401
)

STUDENT, INT8 = "student_intermediate_kd", "student_ptq"


@pytest.fixture
def shop(study: Study, base: Artifact, tmp_path: Path) -> Workshop:
    """Of versions that were found in another order than that in which they were made."""
    versions = {
        name: Version(MODEL, number, name, f"run-{number}", f"m-{number}", base)
        for name, number in ((INT8, 3), (STUDENT, 2), ("teacher", 1))
    }
    return Workshop(Options(study="tiny"), study, load_variants(), tmp_path, versions=versions)


def test_the_teacher_is_the_reference_whatever_the_order_of_the_files(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(subjects: list[Subject], *_: object, **__: object) -> None:
        raise UserError(" ".join(subject.variant for subject in subjects))

    monkeypatch.setattr(command, "_peers", lambda shop: [])
    monkeypatch.setattr(command, "_references", lambda shop: ({}, {}))
    monkeypatch.setattr(command, "measure", measure)
    with runs.step("benchmark", {"stage": "look"}):
        said = refusal(lambda: command.measure_all(shop))
    assert said == f"teacher {INT8} {STUDENT} tfidf_floor"


def test_a_variant_that_no_engine_runs_is_left_to_its_own_process(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def engine_of(runtime: str, *_: object) -> str:
        if runtime == "auto":
            raise UserError("no engine answers the probe as PyTorch does")
        return runtime

    monkeypatch.setattr(command, "engine_of", engine_of)
    sources, exported = command._references(shop)
    assert sources == {STUDENT: "teacher"} and not exported and not shop.failed


def test_a_champion_that_is_a_version_of_today_is_measured_once(
    shop: Workshop,
) -> None:
    """Also where `renew` has registered its model under a new number."""
    again = register(INT8, model="near-3")
    shop.versions = {INT8: replace(shop.versions[INT8], number=again)}
    registry.set_alias(shop.study, "champion", 3)
    assert not command._champion(shop)


def test_a_decision_that_fails_leaves_a_whole_benchmark(
    shop: Workshop, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure_all(shop: Workshop) -> tuple[Benchmark, Answers]:
        runs.set_tag("measured", "all")
        return benchmark(), answers

    def promote_best(*_: object, **__: object) -> None:
        raise UserError("the incumbent does not load")

    monkeypatch.setattr(command, "measure_all", measure_all)
    monkeypatch.setattr(command, "promote_best", promote_best)
    assert refusal(lambda: command._benchmark(shop)) == "the incumbent does not load"
    run_id = runs.find_run("benchmark", "tiny", measured="all")
    assert run_id is not None and mlflow.get_run(run_id).info.status == "FINISHED"

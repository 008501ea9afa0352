"""Verb `plan`: what would be built and why, what it takes, and that nothing is built."""

import json
from dataclasses import replace

import mlflow
import pytest
import yaml

from fincompress.benchmark.environment import STEP_SECONDS, WORK_DONE
from fincompress.cli import main
from fincompress.commands import plan
from fincompress.config import dump
from fincompress.evaluation.results import BUILD_SECONDS, Benchmark
from fincompress.studies.variants import load_variants
from tests.support.measurements import measured
from tests.support.projects import Project
from tests.support.runs import runs

PLAN = ["plan", "--study", "tiny"]


@pytest.fixture
def small(project: Project) -> Project:
    project.keep("teacher", "student_vanilla_kd", "student_tiny")
    return project


def planned(capsys: pytest.CaptureFixture[str], *command: str) -> dict[str, str]:
    """The lines of a plan, by their first word."""
    capsys.readouterr()
    assert main(command or PLAN) == 0
    lines = capsys.readouterr().out.splitlines()
    return {line.split(maxsplit=1)[0]: " ".join(line.split()[1:]) for line in lines if line}


def test_before_anything_is_built_nothing_tells_how_long_it_takes(
    small: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    said = planned(capsys)
    assert said["teacher"] == "? never built"
    assert said["student_vanilla_kd"] == "? made from teacher, which is built first"
    assert said["student_tiny"] == "? made from student_vanilla_kd, which is built first"
    assert said["Time:"].startswith("unknown; without teacher, student_vanilla_kd, student_tiny, ")
    assert said["Memory:"].startswith("at least 0.6 GB, to train the base;")
    assert not runs() and not mlflow.MlflowClient().search_registered_models()


def test_what_is_built_and_what_has_changed_is_told_with_earlier_times(
    small: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["distill", "--study", "tiny", "--variant", "student_vanilla_kd"]) == 0
    file = small.folder / "experiments" / "variants" / "student_vanilla_kd.yaml"
    variant = yaml.safe_load(file.read_text())
    before = load_variants()["student_vanilla_kd"].config.alpha
    variant.setdefault("config", {})["alpha"] = 0.25
    file.write_text(yaml.safe_dump(variant, sort_keys=False))
    aliases = mlflow.MlflowClient().get_registered_model("fincompress-tiny").aliases
    count = len(runs())

    said = planned(capsys, "main", "--study", "tiny", "--plan")
    assert said["teacher"] == "up to date: version 1"
    time, state = said["student_vanilla_kd"].split(" s ", 1)
    assert int(time) >= 0 and state == f"config.alpha was {before}, and is 0.25"
    assert said["Time:"].startswith("about ")
    assert "by an earlier build here; without student_tiny, the benchmark" in said["Time:"]
    assert said["Memory:"].startswith("about ")
    assert len(runs()) == count, "a plan is no run"
    assert mlflow.MlflowClient().get_registered_model("fincompress-tiny").aliases == aliases

    again = planned(capsys, *PLAN, "--again")
    assert again["teacher"].endswith("again, though version 1 is up to date")
    small.change(budget=small.study["budget"] | {"epochs": 1})
    assert planned(capsys)["teacher"].endswith("budget.epochs was 2, and is 1")


def test_committed_results_and_a_probe_tell_of_what_was_never_built(
    small: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = measured("teacher", 0.9, 10.0, 90.0)
    teacher = replace(teacher, metrics=teacher.metrics | {BUILD_SECONDS: 60.0})
    facts = {STEP_SECONDS: "0.5", WORK_DONE: "1e6"}
    results = Benchmark(
        study="other", synthetic=False, notes=(), environment=facts, measurements=(teacher,)
    )
    folder = small.folder / "experiments" / "results" / "other"
    folder.mkdir(parents=True)
    (folder / "benchmark_results.json").write_text(json.dumps(dump(results)))
    monkeypatch.setattr(plan, "step_seconds", lambda: 1.5)
    monkeypatch.setattr(plan, "study_work", lambda *_: 4e6)
    said = planned(capsys)
    assert said["teacher"] == "12 min never built"
    assert said["student_tiny"].startswith("? ")
    assert said["Time:"].startswith(
        "about 12 min, by the results of study other and a probe of this machine; without student_"
    )


def test_a_plan_of_seeds_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["main", "--plan", "--seeds", "2"]) == 2
    assert "plan: is of one seed and no ablation" in capsys.readouterr().err

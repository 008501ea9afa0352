"""The walk of docs/data.md: a user's own file, with other labels in another language, from the
first look at it to the answers of a model; and what `init` refuses."""

import re
import shlex
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml

import fincompress
from fincompress.cli import main
from fincompress.evaluation.results import TEST_F1, Benchmark
from fincompress.studies.study import Study
from tests.support.projects import Project, refusal, reviews
from tests.support.source import ROOT

FEW = ("teacher", "student_intermediate_kd", "student_ptq")


def walk() -> list[list[str]]:
    """The arguments of each command of the walk, in order."""
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    section = page.partition("## Your own sentences")[2].partition("\n### ")[0]
    return [
        shlex.split(line) for line in re.findall(r"^ +python -m fincompress (.+)$", section, re.M)
    ]


def write_reviews(folder: Path) -> Path:
    frame = pd.DataFrame(reviews(), columns=["review", "stars"])
    frame.sample(frac=1, random_state=0).to_csv(folder / "reviews.csv", index=False)
    return folder / "reviews.csv"


def make_quick(project: Project, name: str) -> None:
    """Give a study that `init` wrote the tiny base, and the settings of a study of seconds."""
    file = project.folder / "experiments" / f"{name}.yaml"
    study, tiny = yaml.safe_load(file.read_text(encoding="utf-8")), project.study
    taken = ("base", "student_base", "budget", "benchmark", "gate", "max_length_tokens", "peers")
    file.write_text(yaml.safe_dump(study | {key: tiny[key] for key in taken}, allow_unicode=True))


@pytest.fixture(autouse=True)
def _own_study(project: Project) -> None:
    """There is a study to take the base of."""
    real = (ROOT / "experiments" / "quickstart.yaml").read_text(encoding="utf-8")
    (project.folder / "experiments" / "quickstart.yaml").write_text(real, encoding="utf-8")


@pytest.mark.slow
def test_the_walk(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    write_reviews(project.folder)
    init, plan, build, predict = walk()
    assert [each[0] for each in (init, plan, build, predict)] == ["init", "plan", "main", "predict"]
    project.keep(*FEW)

    assert main(init) == 0
    said = capsys.readouterr().out
    assert "labels: 5: gut 40 (20.0%), mittel 40 (20.0%), schlecht 40 (20.0%), sehr gut" in said
    assert "split: about 140 / 30 / 30" in said and "rare: fewer than 10 test texts" in said
    assert "language: the base splits a word into" in said
    text = (project.folder / "experiments" / "my-study.yaml").read_text(encoding="utf-8")
    assert len(text.splitlines()) == 10
    study = Study.load("my-study")
    assert study.data.labels == ("gut", "mittel", "schlecht", "sehr gut", "sehr schlecht")
    assert (study.data.text_column, study.data.label_column) == ("review", "stars")
    make_quick(project, "my-study")

    assert main(plan) == 0
    steps = [line for line in capsys.readouterr().out.splitlines() if line.startswith(FEW)]
    assert len(steps) == len(FEW) and steps[0].endswith("never built")
    assert main(build) == 0
    client = mlflow.MlflowClient()
    version = client.get_model_version_by_alias("fincompress-my-study", "student-ptq")
    metrics = client.get_run(version.run_id).data.metrics
    by_class = {key for key in metrics if key.startswith("best/f1_")}
    assert {"best/f1_sehr_gut", "best/f1_mittel"} <= by_class and len(by_class) == 5
    assert "which of 5 labels a text has: gut, mittel, schlecht, sehr gut, sehr schlecht" in (
        version.description
    )
    assert "financial" not in version.description.lower()

    assert main(predict) == 0
    answers = pd.read_csv(project.folder / "answers.csv")
    assert len(answers) == 200 and set(answers["label"]) <= set(study.data.labels)
    scores = answers[[f"score_{name}" for name in study.data.labels]]
    assert (scores.sum(axis=1) - 1).abs().max() < 1e-3

    assert main(["report", "--study", "my-study", "--html", "page.html"]) == 0
    page = (project.folder / "page.html").read_text(encoding="utf-8")
    assert "Where variants contradict the teacher most" in page and "sehr schlecht" in page


@pytest.mark.slow
def test_a_study_from_python_gives_its_results(project: Project) -> None:
    file = write_reviews(project.folder)
    project.keep("teacher")
    assert fincompress.run("init", "mine", data=file) is None
    make_quick(project, "mine")
    planned = fincompress.run("plan", study="mine")
    assert [(step.variant, step.build) for step in planned] == [("teacher", True)]
    results = fincompress.run("main", study="mine", extra_test=[file], promote=False)
    assert isinstance(results, Benchmark)
    measured = {m.variant: m for m in results.measurements}
    assert 0 <= measured["teacher"].metrics[TEST_F1] <= 1
    model = fincompress.load("teacher", study="mine")
    answer = model.predict(["Das Essen war großartig heute ."])[0]
    assert answer["scores"] is not None
    assert set(answer["scores"]) == set(fincompress.Study.load("mine").data.labels)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["init", "My", "--data", "x.csv"], "study: a name has lower-case letters, digits, '-'"),
        (["init", "tiny", "--data", "x.csv"], "tiny.yaml: is there already; choose another name"),
        (["init", "--data", "x.csv"], "quickstart.yaml: is there already; choose another name"),
        (["init", "mine"], "data: which file? As in: fincompress init my-study --data reviews.csv"),
        (["init", "mine", "--data", "no.csv"], "no.csv: no such file"),
        (["init", "mine", "--data", "reviews.csv", "--base", "bert"],
         "base: 'bert' is neither a folder nor a model of the hub (owner/name)"),
        (["init", "mine", "--data", "reviews.csv", "--base", "a/b@main"],
         "base: a commit must be 40 hex digits, not 'main'"),
        (["init", "mine", "--data", "reviews.csv", "--base", "."], "is not a model folder"),
        (["main", "--study", "mine"], "(of your own data: fincompress init mine"),
    ],
)  # fmt: skip
def test_what_init_refuses_leaves_no_study(
    project: Project, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    write_reviews(project.folder)
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert not (project.folder / "experiments" / "mine.yaml").exists()


def test_a_base_of_another_shape_than_students_is_told(
    project: Project, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_reviews(project.folder)
    assert main(["init", "mine", "--data", str(file), "--base", str(checkpoint)]) == 0
    said = capsys.readouterr().out
    assert "students: start from random weights, as the base has another shape" in said
    assert Study.load("mine").base == Study.load("mine").student_base
    assert Study.load("mine").max_length_tokens == 64, "no more than the base reads"


def test_labels_that_the_behavioural_tests_do_not_have_turn_them_off(project: Project) -> None:
    file = write_reviews(project.folder)
    fincompress.run("init", "mine", data=file)
    study = project.folder / "experiments" / "mine.yaml"
    study.write_text(study.read_text(encoding="utf-8").replace("behaviour: false\n", ""))
    assert refusal(lambda: fincompress.run("prepare", study="mine")) == (
        "behaviour: the behavioural tests are about negative, neutral, positive, in this order, "
        "and data.labels are gut, mittel, schlecht, sehr gut, sehr schlecht; write 'behaviour: "
        "false' in experiments/mine.yaml"
    )


def test_labels_that_yaml_takes_for_something_else_are_read_back_as_they_are(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = ["1e3", "2.5", "12", "yes", "null", "# x", "a: b", "é, [b]", "'q'", "*base"]
    rows = [(f"{label} {n}", label) for label in labels for n in range(7)]
    frame = pd.DataFrame(rows, columns=["Der Text", "label"])
    frame.to_csv(project.folder / "odd name.csv", index=False)
    odd = "odd name.csv"
    assert main(["init", "mine", "--data", odd, "--text-column", "Der Text"]) == 0
    study = Study.load("mine")
    assert set(study.data.labels) == set(labels) and study.data.text_column == "Der Text"
    assert study.data.sources == (str(project.folder / odd),)
    last = capsys.readouterr().out.splitlines()[-1]
    assert shlex.split(last) == [
        "fincompress", "predict", "--study", "mine", "--input", odd, "--column", "Der Text",
        "--output", "answers.csv", "--prefix", "model_",
    ]  # fmt: skip

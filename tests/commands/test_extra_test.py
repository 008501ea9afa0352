"""What is asked for in vain is said before anything is built."""

from pathlib import Path

import mlflow
import pytest

from fincompress.cli import main
from tests.support.projects import Project, write_csv

REFUSED = [
    (["--extra-test", "none.csv"], "none.csv: no such file"),
    (["--extra-test", "my.txt"], "my.txt: a file must end in .csv, .json, .jsonl, .parquet"),
    (["--extra-test", "bad.csv"], "bad.csv: row 1: 'good' is no label, nor an index from 0 to "
                                  "2; known: negative, neutral, positive"),
    (["--extra-test", "bad.csv,more/bad.csv"], "extra_test: two files are named 'bad', and scores "
                                               "go by these names; rename one"),
    (["--ablations", "all", "--tuned"], "ablations: would be compared with tuned variants; leave "
                                        "out one of both"),
    (["--ablations", "student_no_kd,techer_by_trainer"], "ablations: unknown ablation "
     "'techer_by_trainer'; did you mean 'teacher_by_trainer'?"),
    (["--ablations", "all"], "ABLATIONS/odd.yaml: beside: unknown variant 'teachr'; did you mean "
                             "'teacher'?"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=[" ".join(r[0]) for r in REFUSED])
def test_a_mistake_costs_nothing(
    project: Project, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    (project.folder / "my.txt").write_text("a")
    write_csv(project.folder / "bad.csv", [("Profit rose .", "good")])
    folder = project.folder / "experiments" / "ablations"
    if "odd.yaml" in message:
        (folder / "odd.yaml").write_text(
            "{technique: finetune, source: base, beside: teachr, question: why}"
        )
    assert main(["main", "--study", "tiny", *options]) == 2
    expected = message.replace("ABLATIONS", str(folder))
    assert capsys.readouterr().err == f"fincompress: {expected}\n"
    client = mlflow.MlflowClient()
    built = [
        run for run in client.search_runs([e.experiment_id for e in client.search_experiments()])
        if run.data.tags.get("fincompress.stage") == "build"
    ]  # fmt: skip
    assert built == []


@pytest.mark.parametrize(
    ("behaviour", "missing"),
    [(True, "FOLDER is missing"), (False, "the study has 'behaviour: false'")],
)
def test_a_gate_asks_for_behavioural_tests_that_there_are(
    project: Project, capsys: pytest.CaptureFixture[str], behaviour: bool, missing: str
) -> None:
    project.change(gate=project.study["gate"] | {"min_behaviour": 0.8}, behaviour=behaviour)
    assert main(["main", "--study", "tiny"]) == 2
    expected = missing.replace("FOLDER", str(project.folder / "experiments" / "behaviour"))
    assert capsys.readouterr().err == (
        "fincompress: gate.min_behaviour: 0.8 in experiments/tiny.yaml is about the behavioural "
        f"tests, and {expected}\n"
    )


def test_random_weights_are_not_scored_on_a_file(
    project: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = write_csv(tmp_path / "my.csv", [("Profit rose .", "positive")])
    options = ["--study", "tiny", "--weights", "random", "--extra-test", file]
    assert main(["benchmark", *options]) == 2
    assert capsys.readouterr().err == (
        "fincompress: extra_test: random weights are not scored; leave out one of both\n"
    )

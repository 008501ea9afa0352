"""A study for two seeds with its ablations, and with a file of the user's, on tiny models."""

import json
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run

from fincompress.cli import main
from fincompress.experiments import load_ablations, load_variants
from tests.conftest import Project, open_project, tiny_sentences, write_csv

pytestmark = pytest.mark.slow  # every variant and ablation, twice
MODEL = "fincompress-tiny"
VARIANTS = load_variants()
ABLATIONS = load_ablations(VARIANTS)


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, student_checkpoint: Path
) -> Iterator[Project]:
    """A project in which the ablations have run for two seeds, and then the study for these."""
    folder = tmp_path_factory.mktemp("seeds")
    rows = [(f"{text} again", label) for text, label in tiny_sentences()[:12]]
    extra = write_csv(folder / "extra.csv", rows)
    with open_project(folder, checkpoint, student_checkpoint) as project:
        # Of whose heads 30 % are one a layer or more.
        project.change(base={"folder": str(student_checkpoint), "note": "a note"})
        assert main(["main", "--study", "tiny", "--seeds", "2", "--ablations"]) == 0
        assert main(["main", "--study", "tiny", "--seeds", "2", "--extra-test", extra]) == 0
        yield project


def runs(stage: str) -> list[Run]:
    client = mlflow.MlflowClient()
    found = client.search_runs([e.experiment_id for e in client.search_experiments()])
    return [run for run in found if run.data.tags.get("fincompress.stage") == stage]


def table(stage: str) -> Run:
    (found,) = (run for run in runs(stage) if "fincompress.table" in run.data.tags)
    return found


def test_only_the_first_seeds_variants_are_registered(finished: Project) -> None:
    versions = mlflow.MlflowClient().search_model_versions(f"name = '{MODEL}'")
    assert sorted(v.tags["variant"] for v in versions) == sorted(VARIANTS)
    built = [run.data.tags["fincompress.variant"] for run in runs("build")]
    assert sorted(built) == sorted([*VARIANTS, *ABLATIONS] * 2), "each was built once for a seed"
    kept = [run for run in runs("build") if "fincompress.kept" in run.data.tags]
    assert len(kept) == len(VARIANTS) + 2 * len(ABLATIONS)
    assert {run.data.params["seed"] for run in runs("build")} == {"42", "43"}


def test_the_table_has_every_variant_over_both_seeds(finished: Project) -> None:
    found = json.loads(mlflow.artifacts.load_text(f"runs:/{table('seeds').info.run_id}/seeds.json"))
    assert found["seeds"] == [42, 43]
    rows = {row["variant"]: row for row in found["rows"]}
    assert set(rows) == {*VARIANTS, "tfidf_floor"}
    for name, row in rows.items():
        assert len(row["macro_f1"]) == 2
        assert row["metrics"]["test/macro_f1"] == pytest.approx(sum(row["macro_f1"]) / 2)
        assert {"test/macro_f1", "test/f1_vs_teacher", "extra/macro_f1"} <= set(row["intervals"])
        source = VARIANTS[name].source if name in VARIANTS else ""
        assert row["beside"] == ("" if source == "base" else source)
        assert ("test/f1_vs_source" in row["metrics"]) == bool(row["beside"])
    assert rows["tfidf_floor"]["macro_f1"][0] == rows["tfidf_floor"]["macro_f1"][1]
    pairs = {(pair["first"], pair["second"]) for pair in found["pairs"]}
    assert ("student_qat", "student_ptq") in pairs
    (child,) = (r for r in runs("seeds") if r.info.run_name == "student_ptq")
    history = mlflow.MlflowClient().get_metric_history(child.info.run_id, "test/macro_f1")
    assert [point.step for point in history][:2] == [42, 43]


def test_the_ablations_stand_beside_their_variants(finished: Project) -> None:
    run = table("ablations")
    found = json.loads(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/ablations.json"))
    assert {row["variant"]: row["beside"] for row in found["rows"]} == {
        name: spec.beside for name, spec in ABLATIONS.items()
    }
    assert all(row["question"] for row in found["rows"])
    assert run.data.metrics["epoch_seconds/ratio"] > 0
    files = {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    assert {"pruning_cliff.png", "ablations.md", "ablations.csv"} <= files


def test_a_file_of_the_users_is_scored_for_all_side_by_side(finished: Project) -> None:
    for run in runs("benchmark"):
        if run.info.run_name != "benchmark":
            assert {"extra/macro_f1", "extra/f1_vs_teacher_low"} <= set(run.data.metrics)


def test_report_prints_and_commits_the_tables(
    finished: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--study", "tiny", "--commit-to", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "Study `tiny`, seeds 42, 43." in shown and "| student_random |" in shown
    kept = {file.name for file in (tmp_path / "tiny").iterdir()}
    assert {"seeds.csv", "seeds.json", "seeds.md", "ablations.md"} <= kept


def test_a_file_that_is_not_there_is_named(
    finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", "--study", "tiny", "--extra-test", "none.csv"]) == 2
    assert capsys.readouterr().err == "fincompress: none.csv: no such file\n"

"""A study for two seeds with its ablations, and no benchmark, on tiny models."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Run

from fincompress.artifact import read_artifact
from fincompress.cli import main
from fincompress.commands.seeds import _read_curve
from fincompress.studies.variants import Curve, load_ablations, load_variants
from fincompress.tracking import registry
from tests.support.projects import Project, open_project, refusal, tiny_sentences, write_csv
from tests.support.runs import no_benchmark

pytestmark = pytest.mark.slow  # every variant, twice, and every ablation
MODEL = "fincompress-tiny"
VARIANTS = load_variants()
ABLATIONS = load_ablations(VARIANTS)
TWICE = ("pruned_70pct", "pruned_70pct_entropy")  # the first is what the second is beside


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, student_checkpoint: Path
) -> Iterator[Project]:
    """A project with two seeds, one ablation for both, all of them for the first."""
    folder = tmp_path_factory.mktemp("seeds")
    rows = [(f"{text} again", label) for text, label in tiny_sentences()[:12]]
    extra = write_csv(folder / "extra.csv", rows)
    options = ["--study", "tiny", "--extra-test", extra]
    with open_project(folder, checkpoint, student_checkpoint) as project:
        # Of whose heads 30 % are one a layer or more.
        project.change(base={"folder": str(student_checkpoint), "note": "a note"})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("fincompress.commands.main.run_benchmark", no_benchmark)
            assert main(["main", *options, "--seeds", "2"]) == 2  # the table is there before it
        assert main(["main", *options, "--seeds", "2", "--ablations", TWICE[1]]) == 0
        assert main(["main", *options, "--ablations", "all"]) == 0
        yield project


def runs(stage: str) -> list[Run]:
    client = mlflow.MlflowClient()
    found = client.search_runs([e.experiment_id for e in client.search_experiments()])
    return [run for run in found if run.data.tags.get("fincompress.stage") == stage]


def table(name: str) -> tuple[Run, dict[str, Any]]:
    stage, _, _ = name.partition("-")
    (run,) = (run for run in runs(stage) if run.data.tags.get("fincompress.file") == name)
    return run, mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/{name}.json")


def test_only_the_first_seeds_variants_are_registered(finished: Project) -> None:
    versions = mlflow.MlflowClient().search_model_versions(f"name = '{MODEL}'")
    assert sorted(v.tags["variant"] for v in versions) == sorted(VARIANTS)
    built = [run.data.tags["fincompress.variant"] for run in runs("build")]
    assert sorted(built) == sorted([*VARIANTS, *VARIANTS, *ABLATIONS, *TWICE]), "each once a seed"
    kept = [run for run in runs("build") if "fincompress.kept" in run.data.tags]
    assert len(kept) == len(VARIANTS) + len(ABLATIONS) + len(TWICE)
    assert {run.data.params["seed"] for run in runs("build")} == {"42", "43"}


def test_the_table_has_every_variant_over_both_seeds(finished: Project) -> None:
    _, found = table("seeds")
    assert found["seeds"] == [42, 43]
    rows = {row["variant"]: row for row in found["rows"]}
    assert set(rows) == {*VARIANTS, "tfidf_floor"}
    for name, row in rows.items():
        assert row["metrics"]["test/macro_f1"] == pytest.approx(sum(row["macro_f1"]) / 2)
        assert {"test/macro_f1", "test/f1_vs_teacher", "extra/macro_f1"} <= set(row["intervals"])
        source = VARIANTS[name].source if name in VARIANTS else ""
        assert row["beside"] == ("" if source == "base" else source)
        assert ("test/f1_vs_source" in row["metrics"]) == bool(row["beside"])
    assert rows["tfidf_floor"]["macro_f1"][0] == rows["tfidf_floor"]["macro_f1"][1]
    (pair,) = (pair for pair in found["pairs"] if pair["first"] == "student_qat")
    assert pair["second"] == "student_ptq" and pair["seconds"][0] > pair["seconds"][1] == 0


def test_what_was_built_for_another_seed_is_found_by_its_run(finished: Project) -> None:
    _, found = table("seeds")
    run = mlflow.MlflowClient().get_run(found["runs"]["43"]["student_qat"])
    assert run.data.params["seed"] == "43"
    folder = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="artifact")
    assert read_artifact(Path(folder)).manifest.technique == "quantize_aware"


def test_a_row_is_a_run_with_the_mean_and_the_f1_of_each_seed(finished: Project) -> None:
    _, found = table("seeds")
    (child,) = (r for r in runs("seeds") if r.info.run_name == "student_ptq")
    (row,) = (row for row in found["rows"] if row["variant"] == "student_ptq")
    assert child.data.metrics["test/macro_f1"] == row["metrics"]["test/macro_f1"]
    history = mlflow.MlflowClient().get_metric_history(child.info.run_id, "seed/test/macro_f1")
    assert [(point.step, point.value) for point in history] == [
        (42, row["macro_f1"][0]), (43, row["macro_f1"][1]),
    ]  # fmt: skip


def test_the_ablations_stand_beside_what_they_change(finished: Project) -> None:
    run, found = table("ablations")
    rows = {row["variant"]: row for row in found["rows"]}
    assert set(rows) == {
        *ABLATIONS, "teacher", "student_vanilla_kd", "student_intermediate_kd",
        "pruned_teacher_50pct",
    }  # fmt: skip
    for name, spec in ABLATIONS.items():
        assert rows[name]["beside"] == spec.beside and rows[name]["question"]
        ours, theirs = (rows[n]["metrics"]["test/macro_f1"] for n in (name, spec.beside))
        assert rows[name]["metrics"]["test/f1_vs_source"] == pytest.approx(ours - theirs)
    parent = mlflow.MlflowClient().get_run(run.data.tags["mlflow.parentRunId"])
    assert parent.data.metrics["epoch_seconds/ratio"] > 0
    files = {file.path for file in mlflow.MlflowClient().list_artifacts(parent.info.run_id)}
    assert "pruning_cliff.png" in files


def test_a_curve_that_was_not_recorded_so_is_one_message(finished: Project) -> None:
    run, _ = table("ablations")
    parent = run.data.tags["mlflow.parentRunId"]
    curve = Curve(figure="f", file="options.json", x="parameters", y="f1")
    message = refusal(lambda: _read_curve(parent, curve))
    assert message.startswith(f"run {parent}: ")
    curve = Curve(figure="f", file="step.json", x="parameters", y="f1")
    assert refusal(lambda: _read_curve(parent, curve)) == (
        f"run {parent}: step.json: must hold 'points' with the numbers 'parameters' and 'f1' "
        "(KeyError: 'points')"
    )


def test_an_ablation_that_is_named_is_tabulated_with_what_it_stands_beside(
    finished: Project,
) -> None:
    _, found = table("-".join(["ablations", *TWICE]))
    assert found["seeds"] == [42, 43]
    rows = {row["variant"]: row for row in found["rows"]}
    assert set(rows) == {"teacher", "pruned_teacher_50pct", *TWICE}
    assert all(len(row["macro_f1"]) == 2 for row in rows.values())


def test_report_prints_and_commits_the_tables_where_there_is_no_benchmark(
    finished: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--study", "tiny", "--commit-to", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "Study `tiny`: seeds, over 42, 43. " in shown
    assert "Study `tiny`: ablations, over 42. " in shown and "| student_random |" in shown
    assert "student_qat over student_ptq, points of macro-F1: " in shown
    kept = {file.name for file in (tmp_path / "tiny").iterdir()}
    twice = "-".join(["ablations", *TWICE]) + ".md"
    assert {"seeds.csv", "seeds.json", "seeds.md", "ablations.md", twice} <= kept


def test_what_a_store_on_another_machine_keeps_is_reused(
    finished: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are fetched into the folders of seeds and ablations, before anything is built."""
    built = len(runs("build"))
    monkeypatch.setattr(registry, "is_local_uri", lambda uri: False)
    assert main(["main", "--study", "tiny", "--seeds", "2", "--ablations", TWICE[1]]) == 0
    assert len(runs("build")) == built

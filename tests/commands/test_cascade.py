"""A study with a cascade, from one command to a loaded model; beside it, the published recipe."""

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
import yaml

from fincompress.cli import main
from fincompress.data import SAMPLE, DataConfig, load_splits
from fincompress.evaluation.results import (
    BUILD_SECONDS,
    EXTRA_F1,
    LATENCY_VS_PUBLISHED,
    PUBLISHED_RECIPE,
    TEST_F1,
    THROUGHPUT,
    Benchmark,
    batch_vs_published_key,
    handed_over_key,
)
from fincompress.runtimes import cascade
from fincompress.studies.study import Study
from fincompress.tracking.results import last_benchmark
from tests.support.projects import Project, open_project, tiny_sentences, write_csv

INT8 = "student_ptq"
OWN = Path(__file__).parents[2] / "experiments" / "variants" / "practical"


@dataclass(frozen=True)
class Finished:
    """A project whose study is done, and what its benchmark measured."""

    project: Project
    benchmark: Benchmark


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, student_checkpoint: Path
) -> Iterator[Finished]:
    """The tiny study with the variants of `practical`, benchmarked."""
    folder = tmp_path_factory.mktemp("cascade")
    with open_project(folder, checkpoint, student_checkpoint) as project:
        _run_study(project)
        yield Finished(project, last_benchmark(Study.load("tiny"), False)[1])


def _run_study(project: Project) -> None:
    project.keep("teacher", "student_intermediate_kd", INT8)
    variants = project.folder / "experiments" / "variants"
    for name, config in (("student_conv", {"epochs": 4}), ("cascade", {"max_share": 1.0})):
        variant = yaml.safe_load((OWN / f"{name}.yaml").read_text()) | {"config": config}
        (variants / f"{name}.yaml").write_text(yaml.safe_dump(variant))
    texts = load_splits(DataConfig(sources=(SAMPLE,)), None).train.texts[:400]
    more = write_csv(project.folder / "more.csv", [(text, "") for text in texts])
    study = project.study
    project.change(
        data=study["data"] | {"transfer": [more], "transfer_held_out": 180},
        benchmark=study["benchmark"] | {"batches": [1, 100]},
        peers=True,
        published_shape={"layers": 2, "width": 24, "heads": 3, "ffn": 32},
    )
    mine = [(f"{text} again", label) for text, label in tiny_sentences()]
    extra = write_csv(project.folder / "mine.csv", mine)
    assert main(["main", "--study", "tiny", "--extra-test", extra]) == 0


@pytest.mark.slow
def test_a_study_whose_unlabelled_text_is_missing_says_what_its_cascade_lacks(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.keep("teacher", "student_intermediate_kd", INT8)
    variants = project.folder / "experiments" / "variants"
    for name in ("student_conv", "cascade"):
        shutil.copy2(OWN / f"{name}.yaml", variants)
    assert main(["distill", "--study", "tiny", "--variant", "cascade"]) == 2
    assert (
        "cascade: config.held_out: the study holds no text out that could choose a threshold; set "
        "data.transfer_held_out in the study's file"
    ) in capsys.readouterr().err


@pytest.mark.slow
def test_a_cascade_is_built_measured_registered_and_served(
    finished: Finished, caplog: pytest.LogCaptureFixture
) -> None:
    measured = {m.variant: m.metrics for m in finished.benchmark.measurements}
    recipe, own = measured[PUBLISHED_RECIPE], measured["cascade"]
    assert THROUGHPUT in recipe and TEST_F1 not in recipe, "random weights are timed alone"
    for name, found in measured.items():
        assert found[LATENCY_VS_PUBLISHED] > 0, name
        assert batch_vs_published_key(1) in found, name
    assert batch_vs_published_key(100) in own and batch_vs_published_key(100) not in recipe

    for part in ("val", "test", "extra"):
        assert 0 <= own[handed_over_key(part)] <= 1
    assert [name for name, found in measured.items() if handed_over_key("test") in found] == [
        "cascade"
    ]

    built = {name for name, found in measured.items() if found.get(BUILD_SECONDS, 0) > 0}
    assert built == {"teacher", "student_intermediate_kd", INT8, "student_conv", "cascade"}

    scored_on_mine = {name for name, found in measured.items() if EXTRA_F1 in found}
    assert scored_on_mine == {
        "teacher", "student_intermediate_kd", "student_ptq", "student_conv", "cascade",
        "tfidf_floor",
    }  # fmt: skip

    client = mlflow.MlflowClient()
    version = client.get_model_version_by_alias("fincompress-tiny", "cascade")
    assert (version.tags["format"], version.tags["runtime"]) == ("cascade", "cascade")
    assert "made from `student_conv` and `student_ptq` by `join_cascade`" in version.description
    assert "* hands over to its second model, of the texts of each part: held_out " in (
        version.description
    )

    caplog.set_level(logging.INFO, logger=cascade.__name__)
    model = mlflow.pyfunc.load_model("models:/fincompress-tiny@cascade")
    answers = model.predict(["profit rose .", "sales fell ."] * 500)
    assert len(answers) == 1000 and set(answers[0]) == {"label", "score", "scores"}
    counts = model.unwrap_python_model().predictor.counts
    assert counts.texts == 1000
    assert f"handed over {counts.handed_over / 1000:.1%} of the last 1000 texts" in caplog.text


@pytest.mark.slow
def test_an_ablation_of_its_transfer_set_is_tabulated_with_what_it_hands_over(
    finished: Finished,
) -> None:
    project = finished.project
    ablations = project.folder / "experiments" / "ablations"
    shutil.rmtree(ablations)  # the shipped ones stand beside variants that are not kept here
    ablations.mkdir()
    for name, source in (("student_conv", "teacher"), ("cascade", ["student_conv_alone", INT8])):
        variant = yaml.safe_load(
            (project.folder / "experiments" / "variants" / f"{name}.yaml").read_text()
        )
        del variant["search"]
        changes = {"question": "?", "beside": name, "source": source, "transfer": []}
        (ablations / f"{name}_alone.yaml").write_text(yaml.safe_dump(variant | changes))
    assert main(["main", "--study", "tiny", "--ablations", "all"]) == 0
    client = mlflow.MlflowClient()
    found = client.search_runs([e.experiment_id for e in client.search_experiments()])
    (run,) = (run for run in found if run.data.tags.get("fincompress.file") == "ablations")
    table = mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/ablations.json")
    metrics = {row["variant"]: row["metrics"] for row in table["rows"]}
    assert metrics["cascade_alone"]["test/macro_f1"] > 0
    own = {m.variant: m.metrics for m in finished.benchmark.measurements}["cascade"]
    key = handed_over_key("test")
    assert metrics["cascade"][key] == own[key], "as the benchmark has it"
    assert {name for name, row in metrics.items() if key in row} == {"cascade", "cascade_alone"}

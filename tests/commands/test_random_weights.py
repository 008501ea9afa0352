"""A benchmark of shapes alone: speeds and sizes, no accuracy, nothing registered or promoted."""

import mlflow
import pytest
from mlflow.entities import Run

from fincompress.cli import main, parse_arguments
from fincompress.commands.workspace import open_workspace
from fincompress.data import SAMPLE
from tests.support.behaviour import add_behaviour
from tests.support.projects import Project, refusal

SHAPE = {"layers": 2, "width": 24, "heads": 3, "ffn": 256}


def finished(stage: str) -> list[Run]:
    client = mlflow.MlflowClient()
    found = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert {run.info.status for run in found} == {"FINISHED"}
    return [run for run in found if run.data.tags.get("fincompress.stage") == stage]


@pytest.mark.slow
def test_a_base_that_is_out_of_reach_is_measured_by_its_shape(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = {"hub": "someone/far-away", "revision": "0" * 40, "shape": SHAPE}
    project.change(base=hub, data={"sources": ["phrasebank", "fiqa"]},
                   benchmark=project.study["benchmark"] | {"latency_runs": 25})  # fmt: skip
    assert main(["benchmark", "--study", "tiny", "--weights", "random"]) == 0

    shown = capsys.readouterr().out
    assert "Random weights: speed and size alone, there is no accuracy to report." in shown
    client = mlflow.MlflowClient()
    assert client.search_registered_models() == []
    assert finished("promote") == []
    (parent,) = (run for run in finished("benchmark") if run.info.run_name == "benchmark")
    results = mlflow.artifacts.load_dict(f"runs:/{parent.info.run_id}/benchmark_results.json")
    assert results["random_weights"] is True
    for m in results["measurements"]:
        assert not [key for key in m["metrics"] if "f1" in key or "accuracy" in key], m["variant"]
        assert m["version"] is None and m["metrics"]["bench/latency_p50_ms"] > 0
    teacher = next(m for m in results["measurements"] if m["variant"] == "teacher")
    assert teacher["metrics"]["bench/products"] == 4 * SHAPE["layers"] + 2

    assert main(["promote", "--study", "tiny"]) == 2
    assert "study 'tiny' has not been measured yet" in capsys.readouterr().err


def test_random_weights_need_no_corpus_and_train_on_a_few_sentences(project: Project) -> None:
    project.change(data={"sources": ["phrasebank", "fiqa"]})
    _, options = parse_arguments(["benchmark", "--study", "tiny", "--weights", "random"])
    with open_workspace(options) as workspace:
        assert workspace.splits.synthetic and workspace.splits.name == SAMPLE
        few = workspace.splits.first(64)
        assert (len(few.train), len(few.val)) == (64, 64)
        assert few.test == workspace.splits.test


@pytest.mark.parametrize("weights", ["trained", "random"])
def test_random_weights_answer_no_behavioural_tests(project: Project, weights: str) -> None:
    families = add_behaviour(project)
    _, options = parse_arguments(["benchmark", "--study", "tiny", "--weights", weights])
    with open_workspace(options) as workspace:
        assert workspace.families == (() if workspace.weights.random else families)


def test_weights_are_trained_or_random() -> None:
    message = refusal(lambda: parse_arguments(["benchmark", "--weights", "randm"]))
    assert message == "argument --weights: must be trained or random, not 'randm'"
    assert parse_arguments(["benchmark"])[1].weights == "trained"

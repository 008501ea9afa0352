"""Verb `prepare`: what is said and logged of a transfer set."""

import mlflow
import pytest

from fincompress.cli import main
from tests.support.projects import Project, write_csv
from tests.support.runs import runs


def test_what_is_left_out_of_the_transfer_set_is_printed_and_logged(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["a new plant in Oulu", "A new plant in Oulu !", "sales of the unit were flat"]
    more = write_csv(project.folder / "more.csv", [(text, "") for text in texts])
    project.change(data=project.study["data"] | {"transfer": [more]})
    assert main(["prepare", "--study", "tiny"]) == 0
    assert (
        "data: transfer set: 2 sentences, 0 held out for thresholds, 0 with a label, "
        "0 in the split already, 0 near duplicates of held out, 1 near duplicates of an earlier "
        "one\n"
    ) in capsys.readouterr().out
    (run,) = runs("prepare")
    assert run.data.metrics["transfer/sentences"] == 2
    assert run.data.metrics["transfer/near_duplicates_of_an_earlier_one"] == 1
    logged = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/data.json")
    assert logged["transfer"]["near_duplicates_of_an_earlier_one"] == 1

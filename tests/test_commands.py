"""Whole verbs on a real MLflow store in a temporary folder, with a tiny model."""

import mlflow
import pytest

from fincompress.cli import main
from tests.conftest import Project


def test_main_builds_measures_and_promotes(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["main", "--study", "tiny"]) == 0
    print(capsys.readouterr().out)
    client = mlflow.MlflowClient()
    print(client.get_registered_model("fincompress-tiny").aliases)
    assert 0

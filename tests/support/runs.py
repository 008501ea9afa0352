"""The runs of a tiny study, and the files in them."""

from typing import NoReturn

import mlflow
from mlflow.entities import Run

from fincompress.config import UserError

MODEL = "fincompress-tiny"


def runs(stage: str | None = None) -> list[Run]:
    client = mlflow.MlflowClient()
    found = client.search_runs([e.experiment_id for e in client.search_experiments()])
    return [r for r in found if stage is None or r.data.tags.get("fincompress.stage") == stage]


def no_benchmark(builder: object) -> NoReturn:
    """Take the place of a benchmark where only the tables before it are wanted."""
    raise UserError("the machine is busy")


def files(run: Run) -> set[str]:
    return {f.path for f in mlflow.MlflowClient().list_artifacts(run.info.run_id)}

"""The runs of a tiny study, and the files in them."""

import mlflow
from mlflow.entities import Run

MODEL = "fincompress-tiny"


def runs(stage: str | None = None) -> list[Run]:
    client = mlflow.MlflowClient()
    found = client.search_runs([e.experiment_id for e in client.search_experiments()])
    return [r for r in found if stage is None or r.data.tags.get("fincompress.stage") == stage]


def files(run: Run) -> set[str]:
    return {f.path for f in mlflow.MlflowClient().list_artifacts(run.info.run_id)}

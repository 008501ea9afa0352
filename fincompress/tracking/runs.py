"""A step of the work becomes an MLflow run that always ends: finished, failed or killed."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import psutil
from mlflow.entities import RunStatus, ViewType

from fincompress.data import Splits
from fincompress.spec import UserError, flatten
from fincompress.tracking.store import STORE_ERRORS, reason

PROCESS = "fincompress.process"
ERROR = "fincompress.error"
NOTE = "mlflow.note.content"
RUN_NAME = "mlflow.runName"


@contextmanager
def step(name: str, tags: Mapping[str, str], note: str = "") -> Iterator[str]:
    """Open a run and yield its id: a child of the open run, or else a run of its own.

    The first one under `mlflow run` is the run that it opened. An exception ends the run as
    FAILED, an interruption as KILLED, with the reason as a tag.
    """
    nested = mlflow.active_run() is not None
    own = {f"fincompress.{key}": value for key, value in tags.items() if value}
    own |= {RUN_NAME: name, PROCESS: _this_process()} | ({NOTE: note} if note else {})
    run = mlflow.start_run(nested=nested, tags=own)
    try:
        # Whether artifacts can be written shows now, not after hours of training.
        mlflow.log_dict(dict(own), "step.json")
        yield run.info.run_id
    except BaseException as error:
        status = RunStatus.FAILED if isinstance(error, Exception) else RunStatus.KILLED
        # A store that cannot take this must not hide what went wrong; `recover` closes the run.
        with suppress(*STORE_ERRORS, OSError):
            mlflow.set_tag(ERROR, f"{type(error).__name__}: {reason(error)}"[:500])
            mlflow.end_run(RunStatus.to_string(status))
        raise
    mlflow.end_run()


def log_config(config: Mapping[str, Any], file: str = "config.json") -> None:
    """Log `config` as a file and, flattened, as parameters.

    A parameter that `mlflow run` has logged already keeps the text that it was given.
    """
    mlflow.log_dict(dict(config), file)
    run = mlflow.active_run()
    there = mlflow.MlflowClient().get_run(run.info.run_id).data.params if run else {}
    mlflow.log_params({k: v for k, v in flatten(dict(config)).items() if k not in there})


def log_metrics(
    metrics: Mapping[str, float], step: int | None = None, model_id: str | None = None
) -> None:
    mlflow.log_metrics(dict(metrics), step=step, model_id=model_id)


def log_text(text: str, file: str) -> None:
    mlflow.log_text(text, file)


def log_json(value: dict[str, Any], file: str) -> None:
    mlflow.log_dict(value, file)


def log_folder(folder: Path) -> None:
    mlflow.log_artifacts(str(folder))


def log_file(file: Path) -> None:
    mlflow.log_artifact(str(file))


def history(run_id: str, metric: str) -> list[tuple[float, float]]:
    """Return (step, value) of a metric, in the order of its steps."""
    found = mlflow.MlflowClient().get_metric_history(run_id, metric)
    return sorted((float(entry.step), float(entry.value)) for entry in found)


def set_tag(key: str, value: str) -> None:
    mlflow.set_tag(f"fincompress.{key}", value)


def log_inputs(splits: Splits) -> None:
    """Name the data set in the run: each part with its context."""
    for part, sentences in splits.parts().items():
        dataset = mlflow.data.from_pandas(
            sentences.frame(), name=f"{splits.name}-{part}", targets="label",
            digest=splits.fingerprint[:8],
        )  # fmt: skip
        mlflow.log_input(dataset, context=part)


def find_run(stage: str, study: str, **tags: str) -> str | None:
    """Return the id of the newest finished run with these tags, whatever its experiment."""
    wanted = {"stage": stage, "study": study, **tags}
    terms = [f"tags.`fincompress.{key}` = '{value}'" for key, value in wanted.items()]
    terms.append("attributes.status = 'FINISHED'")
    found = _search(" and ".join(terms), limit=1)
    return str(found[0].info.run_id) if found else None


def read_run_file(run_id: str, file: str) -> str:
    """Return the text of a run's artifact; raise `UserError` if it is gone."""
    try:
        return str(mlflow.artifacts.load_text(f"runs:/{run_id}/{file}"))
    except (mlflow.MlflowException, OSError) as error:
        raise UserError(f"run {run_id}: artifact {file} cannot be read: {error}") from None


def recover() -> list[str]:
    """End as KILLED the runs of this machine whose process is gone; say what became of each."""
    client = mlflow.MlflowClient()
    said = []
    for run in _search("attributes.status = 'RUNNING'"):
        name = f"{run.info.run_name} ({run.info.run_id})"
        process = run.data.tags.get(PROCESS, "")
        host = process.partition(":")[0]
        if host != socket.gethostname():
            said.append(f"left {name}: it was started on {host or 'no known machine'}")
        elif _alive(process):
            said.append(f"left {name}: its process is at work")
        else:
            client.set_tag(run.info.run_id, ERROR, "its process ended without a word")
            client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))
            said.append(f"closed {name}")
    return said


def leaderboard(rows: pd.DataFrame, file: str) -> None:
    """Log a table that the MLflow UI shows as one."""
    mlflow.log_table(rows, file)


def _search(terms: str, limit: int = 1000) -> list[Any]:
    client = mlflow.MlflowClient()
    experiments = [e.experiment_id for e in client.search_experiments(view_type=ViewType.ALL)]
    order = ["attributes.start_time DESC"]
    return list(client.search_runs(experiments, terms, max_results=limit, order_by=order))


def _this_process() -> str:
    started = psutil.Process().create_time()
    return f"{socket.gethostname()}:{os.getpid()}:{started:.0f}"


def _alive(process: str) -> bool:
    _, pid, started = process.rsplit(":", 2)
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(started)) < 2
    except psutil.Error:
        return False

"""MLflow runs: opened for each step of the work and always ended, and searched by their tags."""

from __future__ import annotations

import json
import os
import socket
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import mlflow
import pandas as pd
import psutil
from mlflow.entities import Run, RunStatus, ViewType

from fincompress.config import UserError, flatten
from fincompress.signals import held_back
from fincompress.tracking.addresses import masked, reason
from fincompress.tracking.errors import STORE_ERRORS
from fincompress.tracking.store import is_missing

if TYPE_CHECKING:
    from fincompress.data import Splits

PROCESS = "fincompress.process"
ERROR_TAG = "fincompress.error"
NOTE = "mlflow.note.content"
RUN_NAME = "mlflow.runName"
TABLES = "mlflow.loggedArtifacts"


@contextmanager
def step(
    name: str,
    tags: Mapping[str, str],
    note: str = "",
    *,
    again: str = "",
    under: str = "",
    experiment: str = "",
) -> Iterator[str]:
    """Open an MLflow run and yield its id: a child of the open run if there is one.

    `tags` are logged with the prefix `fincompress.`, `note` is the run's description. `again` is
    the id of a run to continue, `under` of a run of another process that is the parent. The run is
    in the parent's experiment, or in the one that `experiment` names. The first run under `mlflow
    run` is the one that MLflow has opened. An exception ends the run as FAILED, an interruption as
    KILLED, with the reason as a tag.
    """
    own = {f"fincompress.{key}": value for key, value in tags.items() if value}
    own |= {RUN_NAME: name, PROCESS: _this_process()} | ({NOTE: note} if note else {})
    active = mlflow.active_run()
    if experiment:  # a run is opened only in the current one
        mlflow.set_experiment(experiment)
    elif again or under:
        parents = mlflow.MlflowClient().get_run(again or under).info.experiment_id
        mlflow.set_experiment(experiment_id=parents)
    run = None
    try:
        with held_back():
            run = mlflow.start_run(
                again or None, parent_run_id=under or None, nested=active is not None, tags=own
            )
        if active is not None:
            mlflow.set_experiment(experiment_id=active.info.experiment_id)
        if ERROR_TAG in run.data.tags:  # what ended it before
            with suppress(mlflow.MlflowException):  # another machine was faster
                mlflow.delete_tag(ERROR_TAG)
        # Whether artifacts can be written shows now, not after hours of training.
        mlflow.log_dict(dict(own), "step.json")
        yield run.info.run_id
        with held_back():
            mlflow.end_run()
    except BaseException as error:
        active = mlflow.active_run()
        if run is not None and active is not None and active.info.run_id == run.info.run_id:
            _end_at_error(error)
        raise


def _end_at_error(error: BaseException) -> None:
    """End the open run as FAILED or KILLED, with what went wrong as far as the store takes it."""
    status = RunStatus.FAILED if isinstance(error, Exception) else RunStatus.KILLED
    # A store that cannot take this must not hide what went wrong; `recover` closes the run.
    with held_back():
        with suppress(*STORE_ERRORS, OSError):
            mlflow.set_tag(ERROR_TAG, f"{type(error).__name__}: {reason(error)}"[:500])
            if isinstance(error, Exception) and not isinstance(error, UserError):
                mlflow.log_text(masked(traceback.format_exc()), "traceback.txt")
        with suppress(*STORE_ERRORS, OSError):
            mlflow.end_run(RunStatus.to_string(status))


def log_config(config: Mapping[str, Any], file: str = "config.json") -> None:
    """Log `config` into the open run: as the JSON file `file` and, flattened, as parameters.

    Parameters that the run already has, as `mlflow run` logs them, are left unchanged.
    """
    mlflow.log_dict(dict(config), file)
    run = mlflow.active_run()
    there = mlflow.MlflowClient().get_run(run.info.run_id).data.params if run else {}
    mlflow.log_params({k: v for k, v in flatten(dict(config)).items() if k not in there})


def log_metrics(
    metrics: Mapping[str, float], step: int | None = None, model_id: str | None = None
) -> None:
    """Log `metrics` into the open run, at `step` (an epoch) and for the logged model `model_id`."""
    mlflow.log_metrics(dict(metrics), step=step, model_id=model_id)


def log_text(text: str, file: str) -> None:
    """Log `text` into the open run as the artifact `file`."""
    mlflow.log_text(text, file)


def log_json(value: dict[str, Any], file: str) -> None:
    """Log `value` into the open run as the JSON artifact `file`."""
    mlflow.log_dict(value, file)


def log_folder(folder: Path) -> None:
    """Log all files of `folder` into the open run as artifacts."""
    mlflow.log_artifacts(str(folder))


def log_file(file: Path) -> None:
    """Log `file` into the open run as an artifact."""
    mlflow.log_artifact(str(file))


def history(run_id: str, metric: str) -> list[tuple[float, float]]:
    """Return (step, value) of each value that a run logged for a metric, by ascending step."""
    entries = mlflow.MlflowClient().get_metric_history(run_id, metric)
    return sorted((float(entry.step), float(entry.value)) for entry in entries)


def duration(run_id: str) -> float | None:
    """Return how long a run took, in seconds; None if it has not ended."""
    info = mlflow.get_run(run_id).info
    return None if info.end_time is None else (info.end_time - info.start_time) / 1000


def set_tag(key: str, value: str) -> None:
    """Set the tag `fincompress.<key>` of the open run."""
    mlflow.set_tag(f"fincompress.{key}", value)


def log_inputs(splits: Splits) -> None:
    """Log the parts of `splits` as data sets of the open run; a part's name is its context."""
    for part, sentences in splits.parts().items():
        dataset = mlflow.data.from_pandas(
            sentences.frame(), name=f"{splits.name}-{part}", targets="label",
            digest=splits.fingerprint[:8],
        )  # fmt: skip
        mlflow.log_input(dataset, context=part)


def run_url(run_id: str, port: int = 5000) -> str:
    """Return the URL of a run in the MLflow UI.

    It is on the tracking server or, for a local store, where `make ui` serves it at `port`.
    """
    experiment = mlflow.MlflowClient().get_run(run_id).info.experiment_id
    return f"{_server(port)}/#/experiments/{experiment}/runs/{run_id}"


def comparison_url(run_ids: Sequence[str]) -> str:
    """Return the URL of the MLflow UI's comparison of runs, where `run_url` says it is."""
    experiment = mlflow.MlflowClient().get_run(run_ids[0]).info.experiment_id
    asked = {"runs": list(run_ids), "experiments": [experiment]}
    query = "&".join(f"{k}={quote(json.dumps(v, separators=(',', ':')))}" for k, v in asked.items())
    return f"{_server(5000)}/#/compare-runs?{query}"


def _server(port: int) -> str:
    uri = mlflow.get_tracking_uri()
    return uri if uri.startswith("http") else f"http://127.0.0.1:{port}"


def create_experiment(name: str) -> None:
    """Create an experiment if the store has none of that name."""
    if mlflow.get_experiment_by_name(name) is None:
        mlflow.create_experiment(name)


def exists(run_id: str) -> bool:
    """Whether the store has this run, not marked as deleted."""
    try:
        return bool(mlflow.MlflowClient().get_run(run_id).info.lifecycle_stage == "active")
    except mlflow.MlflowException as error:
        if is_missing(error):
            return False
        raise


def close(run_id: str, why: str) -> None:
    """End a run of a process that is gone as KILLED, with `why` as a tag, if it is still open."""
    client = mlflow.MlflowClient()
    if exists(run_id) and client.get_run(run_id).info.status == "RUNNING":
        client.set_tag(run_id, ERROR_TAG, why)
        client.set_terminated(run_id, RunStatus.to_string(RunStatus.KILLED))


def parameters(run_id: str) -> dict[str, str]:
    """Return the parameters that a run has logged."""
    return dict(mlflow.get_run(run_id).data.params)


def find_run(stage: str, study: str, **tags: str) -> str | None:
    """Return the id of the newest finished run with these tags, whatever its experiment."""
    found = _search(_finished({"stage": stage, "study": study, **tags}), limit=1)
    return str(found[0].info.run_id) if found else None


def finished(stage: str, **tags: str) -> list[Run]:
    """Return the finished runs of a stage with these tags, in all studies, the newest first."""
    return _search(_finished({"stage": stage, **tags}))


def tags_of_runs(stage: str, study: str, **tags: str) -> list[dict[str, str]]:
    """Return our tags of every finished run with these, the newest first."""
    return [own_tags(run) for run in finished(stage, study=study, **tags)]


def own_tags(run: Run) -> dict[str, str]:
    """Return the tags of a run, ours without their prefix."""
    return {key.removeprefix("fincompress."): value for key, value in run.data.tags.items()}


def newest_by(key: str, stage: str, study: str) -> dict[str, str]:
    """Return, for each value of our tag `key`, the id of the newest finished run that has it."""
    found = _search(
        f"{_finished({'stage': stage, 'study': study})} and tags.`fincompress.{key}` LIKE '%'"
    )
    return {run.data.tags[f"fincompress.{key}"]: str(run.info.run_id) for run in reversed(found)}


def read_run_file(run_id: str, file: str) -> str:
    """Return the text of a run's artifact; raise `UserError` if it is gone."""
    try:
        return str(mlflow.artifacts.load_text(f"runs:/{run_id}/{file}"))
    except (mlflow.MlflowException, OSError) as error:
        raise UserError(f"run {run_id}: artifact {file} cannot be read: {reason(error)}") from None


def read_figures(run_id: str) -> dict[str, bytes]:
    """Return the PNG images among a run's artifacts, but not in their folders, by name."""
    images = {}
    with TemporaryDirectory(prefix="fincompress-figures-") as folder:
        for found in mlflow.MlflowClient().list_artifacts(run_id):
            if found.path.endswith(".png"):
                file = mlflow.artifacts.download_artifacts(
                    run_id=run_id, artifact_path=found.path, dst_path=folder
                )
                images[Path(found.path).stem] = Path(file).read_bytes()
    return images


def add_text(run_id: str, text: str, file: str) -> None:
    """Log `text` as an artifact of a run that may have ended."""
    mlflow.MlflowClient().log_text(run_id, text, file)


def recover() -> list[str]:
    """End the open runs of this machine whose process is gone as KILLED.

    Returns one line for each open run: closed, or why it was left.
    """
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
            close(run.info.run_id, "its process ended without a word")
            said.append(f"closed {name}")
    return said


def leaderboard(rows: pd.DataFrame, file: str) -> None:
    """Log `rows` into the open run as a table that the MLflow UI shows.

    It replaces an earlier table with the same `file`.
    """
    # `mlflow.log_table` would append the rows to the earlier table.
    mlflow.log_text(rows.to_json(orient="split", index=False), file)
    run = mlflow.active_run()
    tags = mlflow.MlflowClient().get_run(run.info.run_id).data.tags if run else {}
    tables = [one for one in json.loads(tags.get(TABLES, "[]")) if one["path"] != file]
    mlflow.set_tag(TABLES, json.dumps([*tables, {"path": file, "type": "table"}]))


def _finished(wanted: Mapping[str, str]) -> str:
    """The terms of a search for finished runs that have our tags `wanted`."""
    terms = [f"tags.`fincompress.{key}` = '{value}'" for key, value in wanted.items()]
    return " and ".join([*terms, "attributes.status = 'FINISHED'"])


def _search(terms: str, limit: int = 1000) -> list[Run]:
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

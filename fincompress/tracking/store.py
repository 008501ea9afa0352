"""The tracking store: created once, locked where two processes could do the same work twice."""

import getpass
import hashlib
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from filelock import FileLock, Timeout

from fincompress.spec import UserError

EXPERIMENT = "fincompress"
StoreError = mlflow.MlflowException  # for those who may not import mlflow


def open_store() -> None:
    """Create the store if it is empty and choose the experiment.

    Under `mlflow run` the experiment of the run that it opened stays. Raises `UserError` if
    the store does not answer.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # The scores of an answer are a mapping whose keys are the labels, which MLflow calls "Any".
    warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType")
    with lock("store"):  # the migrations of an empty database must not run twice at once
        try:
            if "MLFLOW_RUN_ID" in os.environ:
                mlflow.MlflowClient().get_run(os.environ["MLFLOW_RUN_ID"])
            elif "MLFLOW_EXPERIMENT_NAME" not in os.environ:
                mlflow.set_experiment(EXPERIMENT)
        except mlflow.MlflowException as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"MLflow store {mlflow.get_tracking_uri()}: does not answer: {reason}; "
                "with the default store, start `mlflow run .` in the project's own folder"
            ) from None


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold `name` for this store among the processes of this machine; say so when waiting."""
    uri = mlflow.get_tracking_uri()
    place = hashlib.sha256(f"{uri} {Path.cwd()} {name}".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"fincompress-{getpass.getuser()}"
    folder.mkdir(exist_ok=True)
    file = FileLock(folder / f"{place}.lock")
    try:
        file.acquire(timeout=0.1)
    except Timeout:
        print(f"another process is busy with {name}; waiting for it", flush=True)
        file.acquire()
    try:
        yield
    finally:
        file.release()

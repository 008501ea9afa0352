"""The tracking store: created once, locked where two processes could do the same work twice."""

import hashlib
import logging
import os
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import mlflow
from sqlalchemy.exc import SQLAlchemyError

from fincompress.locks import hold
from fincompress.spec import UserError

EXPERIMENT = "fincompress"
# What a store raises: MLflow wraps most of its database's errors, and not a full disk.
STORE_ERRORS = (mlflow.MlflowException, SQLAlchemyError)


def open_store() -> None:
    """Create the store if it is empty and choose the experiment.

    Under `mlflow run` the experiment of the run that it opened stays. Raises `UserError` if
    the store does not answer.
    """
    quieten()
    uri = mlflow.get_tracking_uri()
    with lock("store"):  # the migrations of an empty database must not run twice at once
        try:
            _touch(uri)
            if "MLFLOW_RUN_ID" not in os.environ:
                mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT))
        except Exception as error:  # SQLAlchemy's, sqlite's and MLflow's own
            raise UserError(f"MLflow store {uri}: {reason(error)}") from None
    if "MLFLOW_RUN_ID" in os.environ:
        try:
            mlflow.MlflowClient().get_run(os.environ["MLFLOW_RUN_ID"])
        except mlflow.MlflowException as error:
            raise UserError(
                f"MLflow store {uri}: {reason(error)}; "
                "start `mlflow run .` in the project's own folder"
            ) from None


def quieten() -> None:
    """Leave out what MLflow says beside its errors."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # What MLflow logs as an error it raises too, and one message is enough.
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # MLflow warns of its own types as it loads, and on pandas 3 of the schema of a data set.
    warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType")
    warnings.filterwarnings("ignore", message="For backward compatibility, 'str' dtypes")


def reason(error: BaseException) -> str:
    """One line of what went wrong, without the statement that a database was given."""
    return " ".join(str(error).split()).partition(" [SQL: ")[0]


def is_missing(error: mlflow.MlflowException) -> bool:
    """Whether the store has answered, and has no such thing."""
    return bool(error.error_code == "RESOURCE_DOES_NOT_EXIST")


def address() -> str:
    """The store's address, for a process in another folder too."""
    uri = str(mlflow.get_tracking_uri())
    path = uri.removeprefix("sqlite:///")
    return uri if path == uri else f"sqlite:///{Path(path).resolve()}"


def _touch(uri: str) -> None:
    """Fail at once if a sqlite file cannot be used; MLflow would retry for 100 s in silence."""
    path = uri.removeprefix("sqlite:///")
    if path != uri:
        with closing(sqlite3.connect(path, timeout=60)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()


@contextmanager
def lock(name: str, say: bool = True) -> Iterator[None]:
    """Hold `name` for this store among the processes of this machine; `say` so when waiting."""
    uri = mlflow.get_tracking_uri()
    place = hashlib.sha256(f"{uri} {Path.cwd()} {name}".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"fincompress-locks-{getattr(os, 'getuid', int)()}"
    folder.mkdir(exist_ok=True)
    waiting = f"another process is busy with {name}; waiting for it" if say else ""
    with hold(folder / f"{place}.lock", waiting):
        yield

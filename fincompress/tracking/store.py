"""The tracking store: created once, locked where two processes could do the same work twice."""

import hashlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow
from sqlalchemy.engine import make_url

from fincompress.config import UserError
from fincompress.machine.locks import hold
from fincompress.runtimes import CACHE_VARIABLE
from fincompress.tracking.addresses import DATABASES, PATIENCE_S, backend, masked, probe, reason

EXPERIMENT = "fincompress"
WEB = ("http", "https")
# For the first request alone: later ones are tried again for minutes, as MLflow does.
IMPATIENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(PATIENCE_S),
}


def open_store() -> None:
    """Create the store if it is empty and choose the experiment.

    Under `mlflow run` the experiment of the run that it opened stays. Raises `UserError` if
    the store does not answer within seconds.
    """
    quieten()
    uri = _settle_uri()
    _cache_beside(uri)
    with lock("store"):  # the migrations of an empty database must not run twice at once
        try:
            _probe(uri)
            if "MLFLOW_RUN_ID" not in os.environ:
                mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT))
        except Exception as error:  # SQLAlchemy's, its drivers' and MLflow's own
            raise UserError(f"MLflow store {masked(uri)}: {_advice(uri, reason(error))}") from None
    if "MLFLOW_RUN_ID" in os.environ:
        try:
            mlflow.MlflowClient().get_run(os.environ["MLFLOW_RUN_ID"])
        except mlflow.MlflowException as error:
            raise UserError(
                f"MLflow store {masked(uri)}: {reason(error)}; "
                "start `mlflow run .` in the project's own folder"
            ) from None


def _settle_uri() -> str:
    """Set and return the tracking URI in the one form that this process and its children use.

    A sqlite file is named by its absolute path: MLflow percent-encodes its default, and then makes
    a folder of that name. A server's password goes where MLflow neither prints nor logs it.
    """
    try:
        uri = str(mlflow.get_tracking_uri())
    except UnicodeEncodeError:
        raise UserError(
            f"{Path.cwd()}: this folder's name cannot be read in the encoding "
            f"{sys.getfilesystemencoding()}; set PYTHONUTF8=1"
        ) from None
    if backend(uri) == "sqlite":
        url = make_url(uri)
        if url.database and url.database != ":memory:" and not url.query:
            uri = _sqlite_uri(Path(url.database))
    elif backend(uri) in WEB:
        server, uri = urlsplit(uri), uri.rstrip("/")
        if server.password is not None:
            os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(server.username or "")
            os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(server.password)
            uri = uri.replace(server.netloc, server.netloc.rpartition("@")[2], 1)
    mlflow.set_tracking_uri(uri)
    return uri


def _sqlite_uri(file: Path) -> str:
    return "sqlite:///" + file.resolve().as_posix().replace("%", "%25").replace("?", "%3F")


def is_default_store() -> bool:
    """Whether the open store is the file that MLflow takes in this folder if told of no other."""
    return bool(mlflow.get_tracking_uri() == _sqlite_uri(Path("mlflow.db")))


def _cache_beside(uri: str) -> None:
    """Let what is measured of engines be kept beside a store that is a file on this machine."""
    if backend(uri) == "sqlite" and (file := make_url(uri).database):
        os.environ.setdefault(CACHE_VARIABLE, str(Path(file).parent / "mlruns"))


def _probe(uri: str) -> None:
    if backend(uri) in WEB:
        with _environment(IMPATIENT):
            mlflow.MlflowClient().search_experiments(max_results=1)
    elif backend(uri) in DATABASES:
        probe(uri)


def _advice(uri: str, said: str) -> str:
    """What went wrong with the first request, and what to do where MLflow does not say it."""
    if "Max retries exceeded" in said:  # of none, and the cause comes last
        return "does not answer: " + said.rpartition(": ")[2].removesuffix('"))')
    if "Invalid Host header" not in said:
        return said
    host = urlsplit(uri).netloc
    return (
        f"answers 403, as the server does not go by the name '{host}'; start it with "
        f"--allowed-hosts {host}, and all the other names that it is reached by"
    )


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def quieten() -> None:
    """Leave out what MLflow says beside its errors."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # Two links for each run, where the store is a server.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # What MLflow logs as an error it raises too, and one message is enough.
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # MLflow warns of its own types as it loads, and on pandas 3 of the schema of a data set.
    warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType")
    warnings.filterwarnings("ignore", message="For backward compatibility, 'str' dtypes")


def is_missing(error: mlflow.MlflowException) -> bool:
    """Whether the store has answered, and has no such thing."""
    return bool(error.error_code == "RESOURCE_DOES_NOT_EXIST")


@contextmanager
def lock(name: str, say: bool = True) -> Iterator[None]:
    """Hold `name` for this store among the processes of this machine; `say` so when waiting."""
    uri = mlflow.get_tracking_uri()
    place = hashlib.sha256(f"{uri} {name}".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"fincompress-locks-{getattr(os, 'getuid', int)()}"
    folder.mkdir(exist_ok=True)
    waiting = f"another process is busy with {name}; waiting for it" if say else ""
    with hold(folder / f"{place}.lock", waiting):
        yield

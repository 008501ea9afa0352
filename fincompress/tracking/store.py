"""Tracking store: opened and tested before use, with locks between processes of this machine."""

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
from fincompress.machine.cache import CACHE_VARIABLE
from fincompress.machine.locks import hold
from fincompress.tracking.addresses import DATABASES, PATIENCE_S, backend, masked, probe, reason

EXPERIMENT = "fincompress"
TRIALS_EXPERIMENT = "fincompress-trials"  # of all searches' trials, which are many
WEB = ("http", "https")
# For the first request alone: later ones are tried again for minutes, as MLflow does.
IMPATIENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(PATIENCE_S),
}


def open_store() -> None:
    """Open MLflow's store, create its tables if it is empty, and set the experiment.

    The experiment is `MLFLOW_EXPERIMENT_NAME`, or else `fincompress`; under `mlflow run` that of
    the run which MLflow has opened. Raises `UserError` if the store does not answer within seconds.
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
    """Whether the open store is `mlflow.db` in the current folder, MLflow's default."""
    return bool(mlflow.get_tracking_uri() == _sqlite_uri(Path("mlflow.db")))


def _cache_beside(uri: str) -> None:
    """Cache in the folder of a store that is a local file."""
    if backend(uri) == "sqlite" and (file := make_url(uri).database):
        os.environ.setdefault(CACHE_VARIABLE, str(Path(file).parent / "mlruns"))


def _probe(uri: str) -> None:
    if backend(uri) in WEB:
        with _environment(IMPATIENT):
            mlflow.MlflowClient().search_experiments(max_results=1)
    elif backend(uri) in DATABASES:
        probe(uri)


def _advice(uri: str, said: str) -> str:
    """Return why the first request failed and, where MLflow's message lacks it, what to do."""
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
    """Silence the progress bars, links, logs and warnings that MLflow prints."""
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
    """Whether `error` means that the store answered but has no such run, model or version."""
    return bool(error.error_code == "RESOURCE_DOES_NOT_EXIST")


@contextmanager
def lock(name: str, say: bool = True) -> Iterator[None]:
    """Hold a lock between the processes of this machine that use this store.

    `name` identifies the lock. With `say`, print a message if another process holds it.
    """
    uri = mlflow.get_tracking_uri()
    digest = hashlib.sha256(f"{uri} {name}".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"fincompress-locks-{getattr(os, 'getuid', int)()}"
    folder.mkdir(exist_ok=True)
    waiting = f"another process is busy with {name}; waiting for it" if say else ""
    with hold(folder / f"{digest}.lock", waiting):
        yield

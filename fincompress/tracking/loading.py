"""Loading: a model in this process: a registered one by name or number, or a saved folder."""

import tempfile
import weakref
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from sqlalchemy.engine import make_url

from fincompress.config import UserError, nearest
from fincompress.prediction.model import Model, load_artifact
from fincompress.prediction.saved_model import folder_name, is_folder, load_saved_model
from fincompress.tracking import registry
from fincompress.tracking.addresses import backend, masked
from fincompress.tracking.store import is_missing, open_store


def load(model: str | Path = "champion", study: str = "quickstart", threads: int = 0) -> Model:
    """Load a version of the registered model of a study, with the code of this package.

    `model` is an alias (`champion`, `student-ptq`), a variant, a version number, or the folder of a
    saved model, which needs no store; `threads` are CPU threads, and 0 are all that may be used.
    Raises `UserError` if there is no such version or folder or its files are not whole, and the
    store's error if it does not answer.
    """
    if isinstance(model, Path) or is_folder(model):
        return load_saved_model(Path(model), threads)
    name, number = find_version(model, study)
    scratch = tempfile.TemporaryDirectory(prefix="fincompress-load-")
    version, runtime = registry.fetch(name, number, Path(scratch.name))
    shown = f"{name} version {number} ({version.variant})"
    loaded = load_artifact(version.artifact, runtime, shown, threads)
    weakref.finalize(loaded, scratch.cleanup)  # an engine may read its files again, for streams
    return loaded


def find_version(model: str, study: str) -> tuple[str, int]:
    """Open the store, and return the name of a study's registered model and a version's number.

    `model` is an alias, a variant or the number. Raises as `load` does.
    """
    _require_store()
    open_store()
    name = f"fincompress-{study}"
    return name, _version_number(name, study, model)


def _require_store() -> None:
    """Raise `UserError` if the store is a SQLite file that is not there, which opening it makes."""
    uri = str(mlflow.get_tracking_uri())
    if backend(uri) == "sqlite" and (file := make_url(uri).database) and not Path(file).exists():
        raise UserError(
            f"MLflow store {masked(uri)}: no such file; go to the project's folder, set "
            "MLFLOW_TRACKING_URI, name the folder of a saved model, or make a first model with: "
            "make quickstart"
        )


def _version_number(name: str, study: str, model: str) -> int:
    client = mlflow.MlflowClient()
    try:
        registered = client.get_registered_model(name)
    except MlflowException as error:
        if not is_missing(error):
            raise
        known = [each.name for each in client.search_registered_models()]
        studies = [each.removeprefix("fincompress-") for each in known]
        hint = nearest(study, studies) if studies else "the store has none"
        raise UserError(
            f"study: no registered model '{name}'; {hint}; "
            f"to build it: fincompress main --study {study}"
        ) from None
    aliases = {alias: int(number) for alias, number in registered.aliases.items()}
    alias = model.replace("_", "-")
    if alias in aliases:
        return aliases[alias]
    numbers = {str(entry.version) for entry in client.search_model_versions(f"name = '{name}'")}
    if model in numbers:
        return int(model)
    folder = f"; for the folder: {folder_name(Path(model))}" if Path(model).is_dir() else ""
    raise UserError(
        f"model: '{name}' has no alias and no version '{model}'; {nearest(alias, aliases)}; "
        f"versions: {', '.join(sorted(numbers, key=int))}{folder}"
    )

"""An artifact becomes a version in the model registry; decisions become aliases."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException, RestException

from fincompress.artifact import Artifact, read_artifact
from fincompress.experiments import Study, VariantSpec
from fincompress.spec import UserError

PACKAGE = Path(__file__).parents[1]
ARTIFACT = "artifact"  # the folder inside a logged model
REQUIREMENTS = ("mlflow", "torch", "tokenizers", "safetensors", "numpy", "pydantic", "PyYAML")


@dataclass(frozen=True)
class Version:
    """A registered version of a variant, its artifact on this machine, and MLflow's ids."""

    model_name: str
    number: int
    variant: str
    run_id: str
    model_id: str
    artifact: Artifact


def find(study: Study, spec: VariantSpec, fingerprint: str) -> Version | None:
    """Return the newest version with this fingerprint whose files are whole, or None."""
    terms = (
        f"name = '{study.model_name}' and tags.variant = '{spec.name}' "
        f"and tags.fingerprint = '{fingerprint}'"
    )
    for entry in _newest_first(mlflow.MlflowClient().search_model_versions(terms)):
        try:
            return _version(entry)
        except (UserError, MlflowException, OSError) as error:
            print(f"{study.model_name} version {entry.version}: not reused: {error}")
    return None


def publish(study: Study, spec: VariantSpec, artifact: Artifact) -> Version:
    """Log `artifact` into the open run as a pyfunc model and register it.

    The version comes into being last and with all its tags, so that an interruption leaves
    none; then the variant's alias moves to it.
    """
    logged = mlflow.pyfunc.log_model(
        name=spec.alias,
        python_model=str(Path(__file__).with_name("pyfunc_model.py")),
        artifacts={ARTIFACT: str(artifact.path)},
        code_paths=[str(PACKAGE)],
        model_config={"runtime": spec.runtime},
        pip_requirements=[f"{name}=={installed(name)}" for name in REQUIREMENTS],
    )
    client = mlflow.MlflowClient()
    try:
        client.create_registered_model(study.model_name, description=study.description)
    except (MlflowException, RestException) as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    run = mlflow.active_run()
    assert run is not None, "a model is published from inside its build's run"
    tags = {
        "variant": spec.name,
        "study": study.name,
        "technique": spec.technique,
        "format": artifact.manifest.format,
        "runtime": spec.runtime,
        "fingerprint": artifact.manifest.fingerprint,
        "model_id": logged.model_id,
    }
    entry = client.create_model_version(
        study.model_name,
        logged.model_uri,
        run.info.run_id,
        tags=tags,
        description="\n\n".join(artifact.manifest.notes),
        model_id=logged.model_id,
    )
    point_variant(study, spec)
    return _version(entry)


def point_variant(study: Study, spec: VariantSpec) -> None:
    """Let the variant's alias name its newest version."""
    terms = f"name = '{study.model_name}' and tags.variant = '{spec.name}'"
    newest = _newest_first(mlflow.MlflowClient().search_model_versions(terms))[0]
    if aliases(study).get(spec.alias) != int(newest.version):
        set_alias(study, spec.alias, int(newest.version))


def set_alias(study: Study, alias: str, number: int) -> None:
    mlflow.MlflowClient().set_registered_model_alias(study.model_name, alias, str(number))


def drop_alias(study: Study, alias: str) -> None:
    mlflow.MlflowClient().delete_registered_model_alias(study.model_name, alias)


def aliases(study: Study) -> dict[str, int]:
    """Return every alias of the study's registered model with its version."""
    try:
        model = mlflow.MlflowClient().get_registered_model(study.model_name)
    except MlflowException:
        return {}
    return {alias: int(number) for alias, number in model.aliases.items()}


def _newest_first(entries: Iterable[Any]) -> list[Any]:
    return sorted(entries, key=lambda entry: -int(entry.version))


def _version(entry: Any) -> Version:
    logged = mlflow.get_logged_model(entry.tags["model_id"])
    uri = f"{logged.artifact_location}/artifacts/{ARTIFACT}"
    folder = mlflow.artifacts.download_artifacts(artifact_uri=uri)
    return Version(
        model_name=entry.name,
        number=int(entry.version),
        variant=entry.tags["variant"],
        run_id=entry.run_id,
        model_id=entry.tags["model_id"],
        artifact=read_artifact(Path(folder)),
    )

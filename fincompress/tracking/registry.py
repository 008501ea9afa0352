"""Model registry: versions of variants with their artifacts and model cards, and their aliases."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.utils.uri import is_local_uri

from fincompress.artifact import Artifact, read_artifact
from fincompress.config import UserError
from fincompress.runtimes import load_runtime
from fincompress.tracking import runs
from fincompress.tracking.addresses import reason
from fincompress.tracking.store import is_missing

if TYPE_CHECKING:  # whose imports take seconds, and a loaded model needs none of them
    from fincompress.studies.study import Study
    from fincompress.studies.variants import VariantSpec

PACKAGE_FOLDER = Path(__file__).parents[1]
ARTIFACT = "artifact"  # the folder with the artifact, in a logged model or in a run
LONGEST = 5000  # characters of a description that every database accepts
KEPT = "kept"  # tag of a run that stores an unregistered artifact
COMMON_REQUIREMENTS = (
    "mlflow",
    "tokenizers",
    "numpy",
    "pydantic",
    "PyYAML",
)  # and the runtime's own


@dataclass(frozen=True)
class Version:
    """A built variant: its artifact on this machine and where MLflow stores it.

    `model_name`: the study's registered model. `number`: the version's number in it. `variant`:
    the variant's name. `run_id`: the MLflow run of the build. `model_id`: MLflow's logged model.
    `artifact`: the model's files. `number` and `model_id` are None for what is not registered:
    random weights, ablations, and all but the first of several seeds.
    """

    model_name: str
    number: int | None
    variant: str
    run_id: str
    model_id: str | None
    artifact: Artifact


def find(study: Study, spec: VariantSpec, fingerprint: str, scratch: Path) -> Version | None:
    """Return the newest registered version with this fingerprint whose files are complete, or None.

    `scratch` is the caller's folder for files of a store that is not on this machine. Raises the
    store's error if it does not answer: that is no reason to build again.
    """
    terms = (
        f"name = '{study.model_name}' and tags.variant = '{spec.name}' "
        f"and tags.fingerprint = '{fingerprint}'"
    )
    for entry in _newest_first(mlflow.MlflowClient().search_model_versions(terms)):
        try:
            return _stored(entry, scratch)
        except UserError as error:
            print(f"{study.model_name} version {entry.version}: not reused: {error}")
    return None


def newest_run(study: Study, spec: VariantSpec) -> str | None:
    """Return the run that built the newest version of a variant; None if it has no version."""
    terms = f"name = '{study.model_name}' and tags.variant = '{spec.name}'"
    entries = _newest_first(mlflow.MlflowClient().search_model_versions(terms))
    return str(entries[0].run_id) if entries else None


def keep(study: Study, spec: VariantSpec, artifact: Artifact) -> Version:
    """Log `artifact` into the open run without registering it; `find_kept` finds it again."""
    mlflow.log_artifacts(str(artifact.path), ARTIFACT)
    run = mlflow.active_run()
    assert run is not None, "it is kept in its build's run"
    runs.set_tag(KEPT, "true")
    return Version(study.model_name, None, spec.name, run.info.run_id, None, artifact)


def find_kept(study: Study, spec: VariantSpec, fingerprint: str, scratch: Path) -> Version | None:
    """Return the unregistered artifact of the newest finished build with this fingerprint, or None.

    `scratch` is the caller's folder for files of a store that is not on this machine. An artifact
    with missing or changed files is not returned.
    """
    tags = {"variant": spec.name, "fingerprint": fingerprint, KEPT: "true"}
    run_id = runs.find_run("build", study.name, **tags)
    if run_id is None:
        return None
    try:
        location = mlflow.MlflowClient().get_run(run_id).info.artifact_uri
        artifact = _fetch(f"{location}/{ARTIFACT}", scratch)
    except UserError as error:
        print(f"{spec.name}: run {run_id}: not reused: {error}")
        return None
    return Version(study.model_name, None, spec.name, run_id, None, artifact)


def publish(study: Study, spec: VariantSpec, artifact: Artifact, card: Path) -> Version:
    """Log `artifact` into the open run as a pyfunc model, with its `card`, and register it.

    `card` is the file of the model card, whose text is the version's description too. The version
    is created last and with all its tags, so that an interruption leaves no incomplete version;
    then the variant's alias is moved to it.
    """
    required = (*COMMON_REQUIREMENTS, *load_runtime(spec.runtime).REQUIREMENTS)
    with warnings.catch_warnings(record=True):  # MLflow's, of the hints in that file
        logged = mlflow.pyfunc.log_model(
            name=spec.alias,
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts={ARTIFACT: str(artifact.path)},
            code_paths=[str(PACKAGE_FOLDER)],
            model_config={"runtime": spec.runtime, "threads": 0},
            # The CPU build calls itself 2.13.0+cpu, and no index has that version.
            pip_requirements=[f"{n}=={installed(n).partition('+')[0]}" for n in required],
        )
    client = mlflow.MlflowClient()
    try:
        client.create_registered_model(study.model_name, description=_description(study, artifact))
    except MlflowException as error:
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
    client.log_model_artifact(logged.model_id, str(card))
    text = card.read_text(encoding="utf-8")
    entry = client.create_model_version(
        study.model_name, logged.model_uri, run.info.run_id, tags=tags, description=text[:LONGEST],
        model_id=logged.model_id,
    )  # fmt: skip
    set_alias(study, spec.alias, int(entry.version))
    return _version(entry, artifact)


def update_description(study: Study, version: Version, card: Path) -> None:
    """Replace the model card of a registered version: its description and the logged file."""
    client, text = mlflow.MlflowClient(), card.read_text(encoding="utf-8")
    client.log_model_artifact(version.model_id, str(card))
    client.update_model_version(study.model_name, str(version.number), description=text[:LONGEST])


def renew(study: Study, spec: VariantSpec, version: Version) -> Version:
    """Make `version` the variant's newest version and move the variant's alias to it.

    If a newer version exists, of another recipe or with lost files, the model of `version` is
    registered once more. Returns the version with its number, which may be new.
    """
    client = mlflow.MlflowClient()
    terms = f"name = '{study.model_name}' and tags.variant = '{spec.name}'"
    newest = _newest_first(client.search_model_versions(terms))[0]
    if int(newest.version) != version.number:
        old = client.get_model_version(study.model_name, str(version.number))
        newest = client.create_model_version(
            study.model_name, old.source, old.run_id, tags=old.tags, description=old.description,
            model_id=version.model_id,
        )  # fmt: skip
    number = int(newest.version)
    if aliases(study).get(spec.alias) != number:
        set_alias(study, spec.alias, number)
    return replace(version, number=number)


def set_alias(study: Study, alias: str, number: int) -> None:
    """Point an alias of the study's registered model to a version."""
    mlflow.MlflowClient().set_registered_model_alias(study.model_name, alias, str(number))


def drop_alias(study: Study, alias: str) -> None:
    """Delete an alias of the study's registered model."""
    mlflow.MlflowClient().delete_registered_model_alias(study.model_name, alias)


def aliases(study: Study) -> dict[str, int]:
    """Return the version number of each alias of the study's registered model; none is empty."""
    try:
        model = mlflow.MlflowClient().get_registered_model(study.model_name)
    except MlflowException as error:
        if is_missing(error):
            return {}
        raise
    return {alias: int(number) for alias, number in model.aliases.items()}


def variants(study: Study) -> dict[int, str]:
    """Return the variant of each version of the study's registered model, by version number."""
    versions = mlflow.MlflowClient().search_model_versions(f"name = '{study.model_name}'")
    return {int(v.version): v.tags.get("variant", "") for v in versions}


def build_runs(study: Study) -> dict[int, str]:
    """Return the id of the run that built each version of the study's model, by version number."""
    versions = mlflow.MlflowClient().search_model_versions(f"name = '{study.model_name}'")
    return {int(v.version): v.run_id for v in versions if v.run_id}


def originals(study: Study) -> dict[int, int]:
    """Return for each version number the lowest number with the same model.

    They differ for a model that `renew` has registered again, under a new number.
    """
    found = mlflow.MlflowClient().search_model_versions(f"name = '{study.model_name}'")
    first = dict[str, int]()
    for entry in reversed(_newest_first(found)):
        first.setdefault(_model_of(entry), int(entry.version))
    return {int(entry.version): first[_model_of(entry)] for entry in found}


def fetch(model_name: str, number: int, scratch: Path) -> tuple[Version, str]:
    """Return a registered version with its artifact, and the name of its runtime.

    `scratch` is the caller's folder for files of a store that is not on this machine. Raises
    `UserError` if files are missing or changed or this project did not register the version, and
    the store's error if it does not answer.
    """
    entry = mlflow.MlflowClient().get_model_version(model_name, str(number))
    if missing := {"variant", "runtime", "model_id"} - entry.tags.keys():
        raise UserError(
            f"{model_name} version {number}: was not registered by this project: it has no "
            f"tag '{min(missing)}'"
        )
    return _stored(entry, scratch), entry.tags["runtime"]


def read_card(version: Version, file: str) -> str:
    """Return the model card of a registered version, which was logged as `file`.

    If that is gone it is the version's description, which may be the card's beginning alone. Raises
    the store's error if it does not answer.
    """
    logged = mlflow.get_logged_model(version.model_id)
    try:
        return str(mlflow.artifacts.load_text(f"{logged.artifact_location}/{file}"))
    except (MlflowException, OSError):
        entry = mlflow.MlflowClient().get_model_version(version.model_name, str(version.number))
        return str(entry.description or "")


def _description(study: Study, artifact: Artifact) -> str:
    return "\n\n".join([study.description, *artifact.manifest.notes])


def _newest_first(entries: Iterable[Any]) -> list[Any]:
    return sorted(entries, key=lambda entry: -int(entry.version))


def _model_of(entry: Any) -> str:
    """What the versions of one model have in common; one from elsewhere is its own."""
    return str(entry.tags.get("model_id", entry.version))


def _stored(entry: Any, scratch: Path) -> Version:
    """A version with its files; raises `UserError` if they are gone, or not what was registered."""
    try:
        logged = mlflow.get_logged_model(entry.tags["model_id"])
    except MlflowException as error:
        if is_missing(error):
            raise UserError(reason(error)) from None
        raise
    location = f"{logged.artifact_location}/artifacts/{ARTIFACT}"
    return _version(entry, _fetch(location, scratch))


def _version(entry: Any, artifact: Artifact) -> Version:
    return Version(
        model_name=entry.name,
        number=int(entry.version),
        variant=entry.tags["variant"],
        run_id=entry.run_id,
        model_id=entry.tags["model_id"],
        artifact=artifact,
    )


def _fetch(location: str, scratch: Path) -> Artifact:
    """Read an artifact where it is, if that is this machine, or else a copy of it in `scratch`.

    Of what it downloads without being told where to, MLflow leaves a copy in the temporary folder.
    Raises `UserError` if there are no such files, or they are not whole.
    """
    target = None if is_local_uri(location) else tempfile.mkdtemp(dir=scratch)
    try:
        folder = mlflow.artifacts.download_artifacts(artifact_uri=location, dst_path=target)
    except (MlflowException, OSError):
        if mlflow.artifacts.list_artifacts(artifact_uri=location):  # or the store does not answer
            raise
        raise UserError(f"{location}: its files are gone") from None
    return read_artifact(Path(folder))

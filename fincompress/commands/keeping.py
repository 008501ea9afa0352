"""Where the artifacts of builds are kept and found again: the registry, their run, or nowhere."""

from pathlib import Path
from typing import Protocol

from fincompress.artifact import Artifact
from fincompress.reports.model_card import MODEL_CARD, model_card
from fincompress.studies.study import Study
from fincompress.studies.variants import VariantSpec
from fincompress.tracking import registry, runs
from fincompress.tracking.registry import Version


class Keeping(Protocol):
    """Finds what an earlier command has built of a recipe, and keeps what this one builds."""

    def find(
        self, study: Study, spec: VariantSpec, fingerprint: str, scratch: Path
    ) -> Version | None:
        """Return what was built of the recipe with this fingerprint, or None; say what is reused.

        Files of a store on another machine are fetched into `scratch`.
        """
        ...

    def keep(
        self, study: Study, spec: VariantSpec, artifact: Artifact, run_id: str, data: dict[str, str]
    ) -> Version:
        """Keep `artifact` from within its build's open run, `run_id`.

        `data` is what the model card says of the data.
        """
        ...


class InRegistry:
    """Versions of the study's registered model, each under its variant's alias."""

    def find(
        self, study: Study, spec: VariantSpec, fingerprint: str, scratch: Path
    ) -> Version | None:
        version = registry.find(study, spec, fingerprint, scratch)
        if version:
            version = registry.renew(study, spec, version)
            print(f"{spec.name}: version {version.number} is up to date")
        return version

    def keep(
        self, study: Study, spec: VariantSpec, artifact: Artifact, run_id: str, data: dict[str, str]
    ) -> Version:
        card = artifact.path.parent / MODEL_CARD
        card.write_text(model_card(study, spec, artifact.manifest, data), encoding="utf-8")
        runs.log_file(card)
        return registry.publish(study, spec, artifact, card)


class InRun:
    """Artifacts in the runs that built them: of extra seeds and ablations, never versions."""

    def find(
        self, study: Study, spec: VariantSpec, fingerprint: str, scratch: Path
    ) -> Version | None:
        kept = registry.find_kept(study, spec, fingerprint, scratch)
        if kept:
            print(f"{spec.name}: run {kept.run_id} is up to date")
        return kept

    def keep(
        self, study: Study, spec: VariantSpec, artifact: Artifact, run_id: str, data: dict[str, str]
    ) -> Version:
        return registry.keep(study, spec, artifact)


class Nowhere:
    """Nothing is kept: models of random weights are measured and thrown away."""

    def find(
        self, study: Study, spec: VariantSpec, fingerprint: str, scratch: Path
    ) -> Version | None:
        return None

    def keep(
        self, study: Study, spec: VariantSpec, artifact: Artifact, run_id: str, data: dict[str, str]
    ) -> Version:
        return Version(study.model_name, None, spec.name, run_id, None, artifact)

"""A variant and its inputs become a recipe with a fingerprint, and the recipe an artifact."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fincompress.artifact import Artifact
from fincompress.spec import dump, fingerprint
from fincompress.techniques import Inputs, Technique, load_technique
from fincompress.training import Report


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what is built. `config` is resolved, `fingerprint` covers it all."""

    technique: Technique
    config: Any
    inputs: Inputs

    @property
    def fingerprint(self) -> str:
        return self.inputs.fingerprint


def plan(inputs: Inputs, config: Any, runtime: str, data_fingerprint: str) -> Recipe:
    """Resolve `config` against `inputs` and fix the fingerprint that names the result.

    `pretrained` is part of every fingerprint: it is one of the things a study fixes for all.
    """
    technique = load_technique(inputs.technique)
    resolved = technique.resolve(config, inputs)
    parts = {
        "technique": inputs.technique,
        "config": dump(resolved),
        "budget": dump(inputs.budget),
        "seed": inputs.seed,
        "runtime": runtime,
        "notes": inputs.identity().notes,
        "source": inputs.source.manifest.fingerprint,
        "teacher": inputs.teacher.manifest.fingerprint,
        "pretrained": inputs.pretrained.manifest.fingerprint,
        "data": data_fingerprint,
    }
    return Recipe(technique, resolved, replace(inputs, fingerprint=fingerprint(parts)))


def build(recipe: Recipe, out: Path, report: Report) -> Artifact:
    """Run the technique and return the artifact `out`."""
    return recipe.technique.compress(recipe.inputs, recipe.config, out, report)

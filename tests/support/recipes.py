"""Recipes of the variants and ablations on tiny bases."""

from pathlib import Path

from fincompress.artifact import Artifact, sha256
from fincompress.build import Recipe, plan
from fincompress.data import Splits
from fincompress.studies.variants import VariantSpec, load_ablations, load_variants
from fincompress.techniques import Inputs
from fincompress.training.loop import Budget

VARIANTS = load_variants()
TRAINER = "teacher_by_trainer"  # the one technique that no variant uses
VARIANTS[TRAINER] = load_ablations(VARIANTS)[TRAINER]
# What the variants of `practical` add.
VARIANTS |= {
    f"{v.name}_of_practical": v
    for v in load_variants("practical").values()
    if v not in VARIANTS.values()
}
BUDGET = Budget(epochs=2, patience=2, batch_size=8)


def recipe(spec: VariantSpec, splits: Splits, source: Artifact, pretrained: Artifact) -> Recipe:
    inputs = Inputs.of(
        splits,
        source=source,
        teacher=source,
        pretrained=pretrained,
        budget=BUDGET,
        seed=1,
        technique=spec.technique,
        runtime=spec.runtime,
    )
    return plan(inputs, spec.config, splits.fingerprint)


def files_of(folder: Path) -> dict[str, str]:
    return {p.name: sha256(p) for p in sorted(folder.iterdir())}

"""Recipes of the variants and ablations on tiny bases."""

import tempfile
from dataclasses import replace
from pathlib import Path

from fincompress.artifact import Artifact, sha256
from fincompress.build import Recipe, build, plan
from fincompress.data import Splits
from fincompress.studies.variants import VariantSpec, load_ablations, load_variants
from fincompress.techniques import Inputs
from fincompress.training.loop import Budget
from tests.support.projects import Log, tiny_sentences

VARIANTS = load_variants()
TRAINER = "teacher_by_trainer"  # the one technique that no variant uses
VARIANTS[TRAINER] = load_ablations(VARIANTS)[TRAINER]
# What the variants of `practical` add.
VARIANTS |= {
    f"{v.name}_of_practical" if v.name in VARIANTS else v.name: v
    for v in load_variants("practical").values()
    if v not in VARIANTS.values()
}
# Tiny models agree too seldom for a cascade that is worth having.
VARIANTS["cascade"] = replace(
    VARIANTS["cascade"], config=replace(VARIANTS["cascade"].config, max_share=1.0)
)
BUDGET = Budget(epochs=2, patience=2, batch_size=8)
HELD_OUT = tuple(f"{text} {number}" for number in range(4) for text, _ in tiny_sentences())

_built: dict[tuple[str, Path, str], Artifact] = {}
_folder = tempfile.TemporaryDirectory(prefix="fincompress-test-")


def recipe(spec: VariantSpec, splits: Splits, source: Artifact, pretrained: Artifact) -> Recipe:
    """How `spec` is made from `source`; of several sources, each is made from it first."""
    sources = [source]
    if len(spec.sources) > 1:
        own = load_variants("practical")
        sources = [_source(own[name], splits, source, pretrained) for name in spec.sources]
    inputs = Inputs.of(
        splits,
        held_out=HELD_OUT,
        sources=tuple(sources),
        teacher=source,
        pretrained=pretrained,
        budget=BUDGET,
        seed=1,
        technique=spec.technique,
        runtime=spec.runtime,
    )
    return plan(inputs, spec.config, splits.fingerprint)


def _source(spec: VariantSpec, splits: Splits, source: Artifact, pretrained: Artifact) -> Artifact:
    made = recipe(spec, splits, source, pretrained)
    key = spec.name, source.path, made.fingerprint
    if key not in _built:
        _built[key] = build(made, Path(_folder.name) / f"{len(_built)}", Log())
    return _built[key]


def files_of(folder: Path) -> dict[str, str]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {p.relative_to(folder).as_posix(): sha256(p) for p in files}

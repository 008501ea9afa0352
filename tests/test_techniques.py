"""The contract of a technique, for every variant file, on tiny models."""

import json
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import pytest
import torch

from fincompress.artifact import Artifact, read_artifact, sha256
from fincompress.build import Recipe, build, plan
from fincompress.data import LABELS, Splits
from fincompress.experiments import VariantSpec, load_variants
from fincompress.models.storage import load_encoder
from fincompress.spec import UserError, dump, parse
from fincompress.techniques import Inputs, load_technique, technique_names
from fincompress.training import Budget

VARIANTS = load_variants()
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
    )
    return plan(inputs, spec.config, spec.runtime, splits.fingerprint)


def files_of(folder: Path) -> dict[str, str]:
    return {p.name: sha256(p) for p in sorted(folder.iterdir())}


@pytest.fixture(params=VARIANTS)
def spec(request: pytest.FixtureRequest) -> VariantSpec:
    return VARIANTS[request.param]


def test_every_technique_has_a_variant() -> None:
    assert {spec.technique for spec in VARIANTS.values()} == set(technique_names())


def test_contract(
    spec: VariantSpec, splits: Splits, base: Artifact, student_base: Artifact, tmp_path: Path
) -> None:
    seen: list[tuple[int, Mapping[str, float]]] = []
    before = files_of(base.path)
    made = recipe(spec, splits, base, student_base)

    artifact = build(made, tmp_path / "one", lambda step, metrics: seen.append((step, metrics)))

    assert files_of(base.path) == before, "the source is left as it was"
    assert artifact.manifest.fingerprint == made.fingerprint
    assert artifact.manifest.labels == LABELS
    assert artifact.manifest.notes == splits.notes
    assert [step for step, _ in seen] == [1, 2]
    assert all({"train/loss", "val/macro_f1"} <= set(metrics) for _, metrics in seen)
    moved = (tmp_path / "one").rename(tmp_path / "elsewhere")
    alone = load_encoder(read_artifact(moved))
    assert sum(p.numel() for p in alone.parameters()) == artifact.manifest.parameters
    assert not list(moved.glob("*.bin")) and not list(moved.glob("*.pkl"))

    again = build(made, tmp_path / "two", lambda step, metrics: None)
    assert files_of(again.path) == files_of(moved), "the same seed gives the same bytes"
    other = replace(made, inputs=replace(made.inputs, seed=2))
    different = build(other, tmp_path / "three", lambda step, metrics: None)
    assert files_of(different.path) != files_of(moved), "another seed gives other weights"


def test_configs_are_frozen_and_refuse_the_unknown(spec: VariantSpec) -> None:
    first = fields(spec.config)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(spec.config, first, None)
    config = load_technique(spec.technique).Config
    with pytest.raises(UserError, match=rf"^x: unknown key '{first}x'; did you mean '{first}'\?$"):
        parse(config, {f"{first}x": 1}, "x")


def test_fingerprint_covers_all_that_decides_the_result(
    spec: VariantSpec, splits: Splits, base: Artifact, student_base: Artifact
) -> None:
    made = recipe(spec, splits, base, student_base)
    stranger = replace(base, manifest=replace(base.manifest, fingerprint="other"))
    other_student = replace(student_base, manifest=replace(student_base.manifest, fingerprint="o"))
    changes: list[dict[str, object]] = [
        {"seed": 2},
        {"source": stranger},
        {"teacher": stranger},
        {"pretrained": other_student},
        {"budget": replace(BUDGET, epochs=3)},
        {"notes": ("another licence",)},
    ]
    found = {made.fingerprint}
    for change in changes:
        inputs = replace(made.inputs, **change)  # type: ignore[arg-type]
        found.add(plan(inputs, spec.config, spec.runtime, splits.fingerprint).fingerprint)
    found.add(plan(made.inputs, spec.config, spec.runtime, "other data").fingerprint)
    optimizer = replace(spec.config.optimizer, learning_rate=0.5)
    config = replace(spec.config, optimizer=optimizer)
    found.add(plan(made.inputs, config, spec.runtime, splits.fingerprint).fingerprint)
    found.add(plan(made.inputs, spec.config, "other", splits.fingerprint).fingerprint)
    assert len(found) == 1 + len(changes) + 3
    same = plan(made.inputs, spec.config, spec.runtime, splits.fingerprint)
    assert same.fingerprint == made.fingerprint


def test_symbolic_choices_are_resolved_before_they_are_logged(
    splits: Splits, base: Artifact, student_base: Artifact
) -> None:
    narrow = recipe(VARIANTS["student_intermediate_kd"], splits, base, student_base)
    assert dump(narrow.config)["student"]["init"] == "pretrained"
    assert dump(narrow.config)["layer_map"] == [0, 0, 1, 2]  # four students of three layers
    wide = recipe(VARIANTS["student_intermediate_kd"], splits, student_base, student_base)
    assert dump(wide.config)["student"]["init"] == "teacher_layers"
    assert "auto" not in json.dumps(dump(wide.config))


def test_intermediate_distillation_approaches_the_teachers_hidden_states(
    splits: Splits, student_base: Artifact, tmp_path: Path
) -> None:
    spec = VARIANTS["student_intermediate_kd"]
    config = replace(
        spec.config, alpha=0.0, student=replace(spec.config.student, init="random", layers=2)
    )
    made = recipe(replace(spec, config=config), splits, student_base, student_base)
    losses: list[float] = []
    build(made, tmp_path / "out", lambda step, metrics: losses.append(metrics["train/hidden_loss"]))
    assert losses[1] < 0.97 * losses[0]


def test_training_leaves_the_global_random_state_alone(
    splits: Splits, base: Artifact, student_base: Artifact, tmp_path: Path
) -> None:
    before = torch.get_rng_state()
    made = recipe(VARIANTS["teacher"], splits, base, student_base)
    build(made, tmp_path / "out", lambda step, metrics: None)
    assert torch.equal(before, torch.get_rng_state())

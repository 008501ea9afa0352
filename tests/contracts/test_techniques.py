"""The contract of a technique, for every variant file, on tiny models."""

import json
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import pytest
import torch

from fincompress.artifact import Artifact, read_artifact
from fincompress.build import build, plan
from fincompress.config import UserError, dump, parse
from fincompress.data import SENTIMENT, Splits
from fincompress.evaluation.metrics import classification_scores
from fincompress.runtimes import load_runtime
from fincompress.studies.variants import VariantSpec
from fincompress.techniques import load_technique, technique_names
from tests.support.projects import Log
from tests.support.recipes import BUDGET, VARIANTS, files_of, recipe


@pytest.fixture(params=VARIANTS)
def spec(request: pytest.FixtureRequest) -> VariantSpec:
    return VARIANTS[request.param]


def test_every_technique_has_a_variant() -> None:
    assert {spec.technique for spec in VARIANTS.values()} == set(technique_names())


def test_contract(
    spec: VariantSpec, splits: Splits, base: Artifact, student_base: Artifact, tmp_path: Path
) -> None:
    before = files_of(base.path)
    made = recipe(spec, splits, base, student_base)
    log = Log()

    artifact = build(made, tmp_path / "one", log)

    assert files_of(base.path) == before, "the source is left as it was"
    manifest = artifact.manifest
    assert manifest.fingerprint == made.fingerprint
    assert manifest.labels == SENTIMENT
    assert manifest.notes == splits.notes
    assert manifest.format in load_technique(spec.technique).FORMATS
    steps = [step for step, _ in log.steps]
    assert steps == list(range(1, len(steps) + 1))
    assert all({"train/loss", "val/macro_f1"} <= set(metrics) for _, metrics in log.steps)
    moved = (tmp_path / "one").rename(tmp_path / "elsewhere")
    runtime = load_runtime(spec.runtime)
    alone = read_artifact(moved)
    answers = runtime.load(alone, torch.get_num_threads())(splits.val.texts).argmax(1)
    assert (
        manifest.metrics["val/macro_f1"]
        == classification_scores(splits.val.labels, answers, SENTIMENT)["macro_f1"]
    )
    assert not list(moved.glob("*.bin")) or manifest.format == "openvino"
    assert not list(moved.glob("*.pkl"))

    again = build(made, tmp_path / "two", Log())
    assert files_of(again.path) == files_of(moved), "the same seed gives the same bytes"
    if steps:
        other = replace(made, inputs=replace(made.inputs, seed=2))
        different = build(other, tmp_path / "three", Log())
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
        {"sources": (stranger, *made.inputs.sources[1:])},
        {"teacher": stranger},
        {"pretrained": other_student},
        {"budget": replace(BUDGET, batch_size=3)},
        {"notes": ("another licence",)},
        {"runtime": next(n for n in ("torch_eager", "onnx_runtime") if n != spec.runtime)},
    ]
    found = {made.fingerprint}
    for change in changes:
        inputs = replace(made.inputs, **change)  # type: ignore[arg-type]
        found.add(plan(inputs, spec.config, splits.fingerprint).fingerprint)
    found.add(plan(made.inputs, spec.config, "other data").fingerprint)
    assert len(found) == 1 + len(changes) + 1
    same = plan(made.inputs, spec.config, splits.fingerprint)
    assert same.fingerprint == made.fingerprint


def test_fingerprint_covers_the_config(
    splits: Splits, base: Artifact, student_base: Artifact
) -> None:
    spec = VARIANTS["teacher"]
    made = recipe(spec, splits, base, student_base)
    config = replace(spec.config, optimizer=replace(spec.config.optimizer, learning_rate=0.5))
    assert plan(made.inputs, config, splits.fingerprint).fingerprint != made.fingerprint


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
        spec.config,
        alpha=0.0,
        student=replace(spec.config.student, init="random", layers=2),
        optimizer=replace(spec.config.optimizer, learning_rate=2e-4),
    )
    made = recipe(replace(spec, config=config), splits, student_base, student_base)
    log = Log()
    build(made, tmp_path / "out", log)
    losses = [metrics["train/hidden_loss"] for _, metrics in log.steps]
    assert losses[1] < 0.97 * losses[0]


def test_training_leaves_the_global_random_state_alone(
    splits: Splits, base: Artifact, student_base: Artifact, tmp_path: Path
) -> None:
    before = torch.get_rng_state()
    made = recipe(VARIANTS["teacher"], splits, base, student_base)
    build(made, tmp_path / "out", Log())
    assert torch.equal(before, torch.get_rng_state())

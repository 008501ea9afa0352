"""Cascades: the threshold is certified on held-out text, and a bad cheap model is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fincompress.artifact import Artifact
from fincompress.build import Recipe, build, plan
from fincompress.callbacks import Chart
from fincompress.config import UserError
from fincompress.data import Splits
from fincompress.runtimes import cascade, load_runtime
from tests.support.projects import Log
from tests.support.recipes import HELD_OUT, VARIANTS, recipe


@pytest.fixture(scope="module")
def made(splits: Splits, base: Artifact, student_base: Artifact) -> Recipe:
    return recipe(VARIANTS["cascade"], splits, base, student_base)


def _again(made: Recipe, **changes: object) -> Recipe:
    inputs = replace(made.inputs, **changes)  # type: ignore[arg-type]
    return plan(inputs, VARIANTS["cascade"].config, made.data_fingerprint)


def test_what_is_certified_is_what_is_served_and_recorded(made: Recipe, tmp_path: Path) -> None:
    log = Log()
    built = build(made, tmp_path / "out", log)
    facts, settings = log.records["cascade"], json.loads((built.path / "cascade.json").read_text())
    loaded = cascade.load(built, 1)
    unsure = loaded.hands_over(HELD_OUT)
    cheap, sure = (
        load_runtime("auto").load(stage, 1)(HELD_OUT).argmax(1) for stage in cascade.stages(built)
    )
    missed = float((~unsure & (cheap != sure)).mean())
    assert facts["texts"] == len(HELD_OUT)
    assert facts["disagreement"] == pytest.approx(missed)
    assert facts["bound"] <= made.config.max_disagreement
    assert settings == {
        "threshold": facts["threshold"], "normal_share": pytest.approx(unsure.mean()),
    }  # fmt: skip
    shares = built.manifest.metrics
    assert shares["held_out/handed_over"] == settings["normal_share"]
    on_val = loaded.hands_over(made.inputs.val.texts).mean()
    assert shares["val/handed_over"] == pytest.approx(on_val)
    chart = log.figures["hand_over"]
    assert isinstance(chart, Chart)
    curve, bound = chart.lines["held-out texts"], chart.lines["95% bound"]
    assert curve[-1] == (1.0, 0.0), "who hands over everything disagrees with nothing"
    assert [y for _, y in curve] == sorted((y for _, y in curve), reverse=True)
    assert all(above >= below for (_, above), (_, below) in zip(bound, curve, strict=True))
    assert bound[-1][1] > 0 == curve[-1][1]


def test_both_models_are_inside_unchanged(made: Recipe, tmp_path: Path) -> None:
    built = build(made, tmp_path / "out", Log())
    for stage, source in zip(cascade.stages(built), made.inputs.sources, strict=True):
        assert stage.manifest == source.manifest
    assert built.manifest.parameters == sum(s.manifest.parameters for s in made.inputs.sources)
    assert built.size_mb > sum(source.size_mb for source in made.inputs.sources)


def test_the_fingerprint_covers_both_sources_and_the_held_out_texts(made: Recipe) -> None:
    cheap, sure = made.inputs.sources
    other = replace(cheap, manifest=replace(cheap.manifest, fingerprint="other"))
    changed = [
        _again(made, sources=(other, sure)),
        _again(made, sources=(sure, cheap)),
        _again(made, held_out=HELD_OUT[1:]),
    ]
    assert len({made.fingerprint, *(each.fingerprint for each in changed)}) == 4
    assert _again(made, transfer=("more",)).fingerprint == made.fingerprint, "it learns nothing"


def test_it_is_refused_without_held_out_text_and_without_two_sources(made: Recipe) -> None:
    with pytest.raises(UserError, match=r"set data\.transfer_held_out in the study's file"):
        _again(made, held_out=())
    with pytest.raises(UserError, match="source: a cascade needs two, the cheap one first, not 1"):
        _again(made, sources=made.inputs.sources[:1])


def test_a_cheap_model_that_has_to_hand_over_too_much_is_refused(
    made: Recipe, tmp_path: Path
) -> None:
    strict = replace(made, config=replace(made.config, max_share=1e-9, max_disagreement=1e-3))
    few = replace(strict, inputs=replace(strict.inputs, held_out=HELD_OUT * 30))
    few = replace(few, config=replace(few.config, held_out=len(few.inputs.held_out)))
    with pytest.raises(UserError, match=r"^config\.max_share: .* have to be handed over"):
        build(few, tmp_path / "out", Log())
    assert not (tmp_path / "out").exists()


def test_with_random_weights_a_named_share_is_handed_over(made: Recipe, tmp_path: Path) -> None:
    inputs = replace(made.inputs, shape_only=True, held_out=())
    untrained = plan(inputs, VARIANTS["cascade"].config, "data")
    built = build(untrained, tmp_path / "out", Log())
    loaded = cascade.load(built, 1)
    share = np.mean(loaded.hands_over(made.inputs.val.texts))
    assert share == pytest.approx(0.1, abs=1 / len(made.inputs.val))

"""Model soup: what its members learn from, and that the mean of their weights is what ships."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fincompress.artifact import Artifact
from fincompress.build import Recipe, build, plan
from fincompress.config import UserError
from fincompress.data import Splits
from fincompress.data.sentences import Sentences, TrainingOnly
from fincompress.models.storage import load_encoder
from fincompress.techniques import Inputs
from fincompress.techniques.finetune_soup import Config
from fincompress.training.loop import fit
from tests.support.projects import Log
from tests.support.recipes import BUDGET, VARIANTS

ADDED = Sentences(
    ("the margin fell", "a plant in Oulu", "orders rose"), (0, 1, 2), ("generated",) * 3
)


def soup(splits: Splits, base: Artifact, *members: tuple[str, ...], seed: int = 1) -> Recipe:
    more = replace(splits, training_only=TrainingOnly(ADDED))
    inputs = Inputs.of(
        more, source=base, teacher=base, pretrained=base, budget=BUDGET, seed=seed,
        technique="finetune_soup", runtime="torch_eager",
    )  # fmt: skip
    return plan(inputs, Config(members=members), more.training_fingerprint)


def weights(recipe: Recipe, out: Path, log: Log | None = None) -> dict[str, torch.Tensor]:
    return dict(load_encoder(build(recipe, out, log or Log())).state_dict())


def test_its_weights_are_the_mean_of_those_of_its_members(
    splits: Splits, base: Artifact, tmp_path: Path
) -> None:
    log = Log()
    both = weights(soup(splits, base, (), ("generated",)), tmp_path / "both", log)
    first = weights(soup(splits, base, ()), tmp_path / "first")
    second = weights(soup(splits, base, ("generated",), seed=2), tmp_path / "second")
    for name, mean in both.items():
        torch.testing.assert_close(mean, (first[name] + second[name]) / 2)
    assert [step for step, _ in log.steps] == [1, 2, 3, 4]  # two epochs each


def test_a_member_learns_from_what_it_does_not_leave_out(
    splits: Splits, base: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def record(*arguments: Any, **options: Any) -> dict[str, float]:
        seen.append(len(arguments[2].ids))
        return fit(*arguments, **options)

    monkeypatch.setattr("fincompress.techniques.finetune_soup.fit", record)
    weights(soup(splits, base, (), ("generated",)), tmp_path / "soup")
    assert seen == [len(splits.train) + 3, len(splits.train)]


def test_origins_that_there_are_not_are_ignored_and_all_cannot_be_left_out(
    splits: Splits, base: Artifact
) -> None:
    made = soup(splits, base, ("phrasebank_disputed", "generated"), ())
    assert made.config.members == (("generated",), ())
    everything = tuple({*splits.train.origins, "generated"})
    with pytest.raises(UserError, match=r"^members\.1: leaves out .*, and no sentence is left$"):
        soup(splits, base, (), everything)


def test_the_teacher_of_practical_is_one_whose_members_differ_in_what_they_learn() -> None:
    members = VARIANTS["teacher_of_practical"].config.members
    assert len(set(members)) > 1
    assert {origin for left_out in members for origin in left_out} == {
        "generated", "phrasebank_disputed",
    }  # fmt: skip

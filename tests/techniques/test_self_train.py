"""Self-training: what each model learns from, and which answers the last one gets."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fincompress.artifact import Artifact
from fincompress.build import Recipe, build, plan
from fincompress.config import UserError
from fincompress.data import Splits
from fincompress.data.sentences import Sentences, TrainingOnly, Transfer
from fincompress.studies.study import load_study
from fincompress.techniques import Inputs, self_train
from fincompress.techniques.self_train import Config
from fincompress.training.loop import fit
from fincompress.training.losses import target_loss
from tests.support.projects import Log
from tests.support.recipes import BUDGET, VARIANTS

UNLABELLED = ("sales fell", "a new ship")
ADDED = Sentences(
    ("the margin fell", "a plant in Oulu", "orders rose"), (0, 1, 2), ("generated",) * 3
)


def self_trained(splits: Splits, base: Artifact, seed: int = 1, **settings: Any) -> Recipe:
    more = replace(splits, training_only=TrainingOnly(ADDED), transfer=Transfer(UNLABELLED))
    inputs = Inputs.of(
        more, source=base, teacher=base, pretrained=base, budget=BUDGET, seed=seed,
        technique="self_train", runtime="torch_eager",
    )  # fmt: skip
    return plan(inputs, Config(**settings), more.training_fingerprint)


def test_each_model_learns_from_what_is_its_own_and_the_last_one_from_all(
    splits: Splits, base: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, seeds = [], []

    def record(*arguments: Any, **options: Any) -> dict[str, float]:
        sizes.append(len(arguments[2].ids))
        seeds.append(options["seed"])
        return fit(*arguments, **options)

    monkeypatch.setattr("fincompress.techniques.self_train.fit", record)
    for seed in (1, 2):
        log, recipe = Log(), self_trained(splits, base, seed, first_round=(("generated",), ()))
        build(recipe, tmp_path / f"{seed}", log)
    own = len(splits.train)
    assert sizes[:3] == [own, own + 3, own + 5]  # the transfer set has two
    assert len(set(seeds)) == 6, "neighbouring seeds share no model"
    assert [step for step, _ in log.steps] == [1, 2, 3, 4, 5, 6]  # two epochs each


def test_the_transfer_set_is_learned_by_the_mean_answer_of_the_first_round(
    splits: Splits, base: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = []

    def record(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        targets.append(target)
        return target_loss(logits, target)

    monkeypatch.setattr("fincompress.techniques.self_train.target_loss", record)
    made = self_trained(splits, base, first_round=((), ()), label_smoothing=0.3)
    build(made, tmp_path / "built", Log())
    rows = torch.cat(targets)
    torch.testing.assert_close(rows.sum(dim=1), torch.ones(len(rows)))
    is_label = (rows - 0.8).abs().amin(dim=1) < 1e-5  # 0.7 for the label, and a third of 0.3
    assert len({tuple(row) for row in rows[~is_label].tolist()}) == len(UNLABELLED)


def test_without_a_transfer_set_there_is_no_first_round(splits: Splits, base: Artifact) -> None:
    inputs = self_trained(splits, base).inputs
    alone = replace(Config(), first_round=(), transfer=False)
    assert self_train.resolve(Config(), replace(inputs, transfer=())) == alone
    assert self_train.resolve(Config(transfer=False), inputs) == alone
    with pytest.raises(UserError, match=r"^first_round: needs a model, or nothing answers"):
        self_train.resolve(Config(first_round=()), inputs)


def test_origins_that_there_are_not_are_ignored_and_all_cannot_be_left_out(
    splits: Splits, base: Artifact
) -> None:
    made = self_trained(splits, base, first_round=(("phrasebank_disputed", "generated"), ()))
    assert made.config.first_round == (("generated",), ())
    everything = tuple({*splits.train.origins, "generated"})
    with pytest.raises(
        UserError, match=r"^first_round\.1: leaves out .*, and no sentence is left$"
    ):
        self_trained(splits, base, first_round=((), everything))


def test_most_models_that_answer_for_the_teacher_of_practical_know_the_split_alone() -> None:
    first_round = VARIANTS["teacher_of_practical"].config.first_round
    added = set(load_study("practical").data.training_only)
    of_the_split = [left_out for left_out in first_round if set(left_out) == added]
    assert len(first_round) > len(of_the_split) > len(first_round) / 2

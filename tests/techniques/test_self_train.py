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
from fincompress.studies.study import Study
from fincompress.studies.variants import load_ablations, load_variants
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
        more, sources=(base,), teacher=base, pretrained=base, budget=BUDGET, seed=seed,
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


def test_of_a_large_transfer_set_so_many_are_learned_from(
    splits: Splits, base: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def record(*arguments: Any, **options: Any) -> dict[str, float]:
        sizes.append(len(arguments[2].ids))
        return fit(*arguments, **options)

    monkeypatch.setattr("fincompress.techniques.self_train.fit", record)
    limited = self_trained(splits, base, first_round=((),), transfer_sentences=1)
    build(limited, tmp_path / "built", Log())
    own = len(splits.train) + len(ADDED)
    assert sizes == [own, own + 1]
    assert limited.config.transfer_sentences == 1
    for enough in (2, 3):
        assert self_trained(splits, base, transfer_sentences=enough).config == Config()


def test_they_are_spread_evenly_over_it_whatever_its_order() -> None:
    texts = tuple(f"{number} of file {number % 5}" for number in range(1000))  # files take turns
    taken = self_train._spread(texts, 100)
    assert taken == self_train._spread(texts, 100)
    places = [texts.index(text) for text in taken]
    assert [place // 10 for place in places] == list(range(100))
    assert all(places.count(place) == 1 for place in places)
    assert all(sum(place % 5 == file for place in places) > 10 for file in range(5))
    for limit in (1, 999, 1000):
        assert len(set(self_train._spread(texts, limit))) == limit
    assert self_train._spread(texts, 1000) == self_train._spread(texts, None) == texts


def test_without_a_transfer_set_there_is_no_first_round(splits: Splits, base: Artifact) -> None:
    inputs = self_trained(splits, base).inputs
    alone = replace(Config(), first_round=(), transfer=False)
    assert self_train.resolve(Config(), replace(inputs, transfer=())) == alone
    for limit in (None, 1):
        asked = Config(transfer=False, transfer_sentences=limit)
        assert self_train.resolve(asked, inputs) == alone
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


def test_what_is_compared_with_the_teacher_of_practical_learns_from_as_many_sentences() -> None:
    own = load_variants("practical")
    limit = own["teacher"].config.transfer_sentences
    budget = Study.load("practical").budget
    assert limit and budget.transfer_per_epoch and limit <= budget.transfer_per_epoch
    compared = [
        spec.config
        for spec in load_ablations(own, "practical").values()
        if spec.technique == "self_train" and spec.config.transfer
    ]
    assert len(compared) > 2
    assert {config.transfer_sentences for config in compared} == {limit}


def test_most_models_that_answer_for_the_teacher_of_practical_know_the_split_alone() -> None:
    first_round = VARIANTS["teacher_of_practical"].config.first_round
    added = set(Study.load("practical").data.training_only)
    of_the_split = [left_out for left_out in first_round if set(left_out) == added]
    assert len(first_round) > len(of_the_split) > len(first_round) / 2

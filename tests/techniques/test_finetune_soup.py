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
from fincompress.data.sentences import Sentences, TrainingOnly, Transfer
from fincompress.models.storage import load_encoder
from fincompress.studies.study import load_study
from fincompress.techniques import Inputs, finetune_soup
from fincompress.techniques.finetune_soup import Config
from fincompress.training.loop import fit
from fincompress.training.losses import target_loss
from tests.support.projects import Log
from tests.support.recipes import BUDGET, VARIANTS

UNLABELLED = ("sales fell", "a new ship")
ADDED = Sentences(
    ("the margin fell", "a plant in Oulu", "orders rose"), (0, 1, 2), ("generated",) * 3
)


def soup(
    splits: Splits, base: Artifact, *members: tuple[str, ...], seed: int = 1, **settings: Any
) -> Recipe:
    more = replace(splits, training_only=TrainingOnly(ADDED), transfer=Transfer(UNLABELLED))
    inputs = Inputs.of(
        more, source=base, teacher=base, pretrained=base, budget=BUDGET, seed=seed,
        technique="finetune_soup", runtime="torch_eager",
    )  # fmt: skip
    return plan(inputs, Config(members=members, **settings), more.training_fingerprint)


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


def test_a_model_learns_from_what_it_does_not_leave_out(
    splits: Splits, base: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def record(*arguments: Any, **options: Any) -> dict[str, float]:
        seen.append((len(arguments[2].ids), options["seed"]))
        return fit(*arguments, **options)

    monkeypatch.setattr("fincompress.techniques.finetune_soup.fit", record)
    both: dict[str, Any] = {"first_round": (("generated",),), "transfer": True}
    weights(soup(splits, base, (), ("generated",), **both), tmp_path / "soup")
    own = len(splits.train)
    assert seen == [(own, 1), (own + 5, 2), (own + 2, 3)]  # the transfer set has two


def test_the_transfer_set_is_learned_by_the_mean_answer_of_the_first_round(
    splits: Splits, base: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = []

    def record(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        targets.append(target)
        return target_loss(logits, target)

    monkeypatch.setattr("fincompress.techniques.finetune_soup.target_loss", record)
    made = soup(splits, base, (), first_round=((), ()), transfer=True, label_smoothing=0.3)
    weights(made, tmp_path / "soup")
    rows = torch.cat(targets)
    torch.testing.assert_close(rows.sum(dim=1), torch.ones(len(rows)))
    is_label = (rows - 0.8).abs().amin(dim=1) < 1e-5  # 0.7 for the label, and a third of 0.3
    assert len({tuple(row) for row in rows[~is_label].tolist()}) == len(UNLABELLED)


def test_without_a_transfer_set_there_is_no_first_round(splits: Splits, base: Artifact) -> None:
    made = soup(splits, base, ())
    inputs = replace(made.inputs, transfer=())
    config = Config(first_round=((),), transfer=True)
    assert finetune_soup.resolve(config, inputs) == replace(Config(), first_round=())
    with pytest.raises(UserError, match=r"^first_round: needs a model, or nothing answers"):
        finetune_soup.resolve(Config(transfer=True), made.inputs)


def test_origins_that_there_are_not_are_ignored_and_all_cannot_be_left_out(
    splits: Splits, base: Artifact
) -> None:
    made = soup(splits, base, ("phrasebank_disputed", "generated"), ())
    assert made.config.members == (("generated",), ())
    everything = tuple({*splits.train.origins, "generated"})
    with pytest.raises(UserError, match=r"^members\.1: leaves out .*, and no sentence is left$"):
        soup(splits, base, (), everything)


def test_the_teacher_of_practical_is_one_whose_members_differ_in_what_they_learn() -> None:
    config = VARIANTS["teacher_of_practical"].config
    assert len(set(config.members)) > 1
    added = set(load_study("practical").data.training_only)
    of_the_split = [left_out for left_out in config.first_round if set(left_out) == added]
    assert len(of_the_split) > len(config.first_round) / 2, "most answer as models of the split do"
    assert {origin for left_out in config.members for origin in left_out} <= added

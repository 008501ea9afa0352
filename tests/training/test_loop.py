"""The training loop: it keeps the best epoch, stops in time, and is decided by its seed."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from tqdm import tqdm

from fincompress.data.labels import SENTIMENT
from fincompress.evaluation.metrics import classification_scores
from fincompress.models.encoder import Encoder
from fincompress.training import device, loop
from fincompress.training.batches import (
    Batch,
    EncodedSentences,
    predict_logits,
    shuffled_batches,
)
from fincompress.training.loop import Objective, Optimizer
from fincompress.training.losses import UNLABELLED, hard_loss
from tests.support.training import TRAIN, VAL, encoder, nothing, sentences, train


@pytest.fixture(autouse=True)
def single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same numbers on a machine whose CPU has bfloat16 instructions."""
    monkeypatch.setattr(device, "training_precision", lambda: "fp32")


def cross_entropy(model: Encoder) -> Objective:
    def objective(batch: Batch) -> Mapping[str, Tensor]:
        return {"loss": nn.functional.cross_entropy(model(batch.ids, batch.mask), batch.labels)}

    return objective


# --- the best epoch ---------------------------------------------------------------------------


def learn_then_unlearn(model: Encoder, good_batches: int) -> Objective:
    """Cross-entropy with the labels for so many batches, and afterwards with wrong ones."""
    calls = iter(range(10**6))

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        labels = batch.labels if next(calls) < good_batches else (batch.labels + 1) % 3
        return {"loss": nn.functional.cross_entropy(model(batch.ids, batch.mask), labels)}

    return objective


def test_the_weights_of_the_best_epoch_are_kept() -> None:
    model, steps = encoder(), len(TRAIN.ids) // 4
    objective = learn_then_unlearn(model, 5 * steps)
    best, reported = train(model, objective, epochs=12, batch_size=4)
    history = [values["val/macro_f1"] for values in reported]
    assert len(history) == 12
    assert best["val/macro_f1"] == max(history) > history[-1] + 0.3
    assert best["best_epoch"] == 1 + history.index(max(history)) < 12
    kept = classification_scores(VAL.labels, predict_logits(model, VAL.ids).argmax(1), SENTIMENT)
    expected = {f"val/{name}": value for name, value in kept.items()}
    assert best == expected | {"best_epoch": best["best_epoch"]}
    assert not model.training


def test_the_weights_of_the_last_epoch_may_be_asked_for() -> None:
    model, steps = encoder(), len(TRAIN.ids) // 4
    objective = learn_then_unlearn(model, 5 * steps)
    last, reported = train(model, objective, epochs=12, batch_size=4, keep_last=True)
    history = [values["val/macro_f1"] for values in reported]
    assert last["best_epoch"] == len(history) == 12
    assert last["val/macro_f1"] == history[-1] < max(history) - 0.3
    kept = classification_scores(VAL.labels, predict_logits(model, VAL.ids).argmax(1), SENTIMENT)
    assert kept["macro_f1"] == history[-1]


def test_of_equal_epochs_the_first_is_kept() -> None:
    model = encoder()
    best, reported = train(model, nothing(model), epochs=3)
    assert len({values["val/macro_f1"] for values in reported}) == 1
    assert best["best_epoch"] == 1


@pytest.mark.parametrize("patience", [1, 3])
def test_training_stops_after_so_many_epochs_without_improvement(patience: int) -> None:
    model = encoder()
    _, reported = train(model, nothing(model), epochs=8, patience=patience)
    assert len(reported) == 1 + patience


def test_an_epoch_that_improves_renews_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    given = iter([0.1, 0.1, 0.2, 0.2, 0.1, 0.9])
    monkeypatch.setattr(loop, "classification_scores", lambda *_: {"macro_f1": next(given)})
    model = encoder()
    best, reported = train(model, nothing(model), epochs=6, patience=2)
    assert len(reported) == 5
    assert best == {"val/macro_f1": 0.2, "best_epoch": 3}


def test_a_model_without_a_single_hit_is_kept_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "classification_scores", lambda *_: {"macro_f1": 0.0})
    model = encoder()
    best, _ = train(model, nothing(model), epochs=2)
    assert best == {"val/macro_f1": 0.0, "best_epoch": 1}


# --- the report -------------------------------------------------------------------------------


def test_the_report_has_losses_as_means_over_sentences() -> None:
    model = encoder()
    idle = nothing(model)

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        n = len(batch.rows)
        return {**idle(batch), "size": torch.tensor(float(n))}

    _, reported = train(model, objective, epochs=1, data=sentences(5), batch_size=2)
    # Batches of 2, 2 and 1 sentences.
    assert reported[0]["train/size"] == pytest.approx((2 * 2 + 2 * 2 + 1 * 1) / 5)
    assert reported[0]["train/loss"] == 0.0


def test_the_report_has_the_validation_scores_of_each_epoch() -> None:
    model = encoder()
    _, reported = train(model, nothing(model), epochs=1)
    expected = classification_scores(
        VAL.labels, predict_logits(model, VAL.ids).argmax(1), SENTIMENT
    )
    assert reported[0].pop("train/epoch_seconds") > 0
    assert reported == [{"train/loss": 0.0} | {f"val/{k}": v for k, v in expected.items()}]


# --- sentences without a label ----------------------------------------------------------------

LABELLED = 16
MIXED = EncodedSentences(TRAIN.ids, TRAIN.labels[:LABELLED] + (UNLABELLED,) * 20)


def rows_of_epochs(limit: int | None, seed: int = 0) -> list[list[int]]:
    """The sentences of each of three epochs, in the order in which they are learned from."""
    model, seen = encoder(), list[int]()
    idle = nothing(model)

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        seen.extend(batch.rows.tolist())
        return idle(batch)

    train(model, objective, epochs=3, seed=seed, data=MIXED, transfer_per_epoch=limit)
    size = len(seen) // 3
    return [seen[start : start + size] for start in range(0, len(seen), size)]


def test_an_epoch_draws_some_of_those_without_a_label_and_has_all_others() -> None:
    epochs = rows_of_epochs(5)
    assert epochs == rows_of_epochs(5) != rows_of_epochs(5, seed=1)
    for rows in epochs:
        assert len(rows) == len(set(rows)) == LABELLED + 5
        assert set(range(LABELLED)) < set(rows) < set(range(36))
    drawn = [frozenset(rows) for rows in epochs]
    assert len(set(drawn)) == 3, "anew in each"


@pytest.mark.parametrize("limit", [20, 21, 10**6])
def test_a_limit_that_leaves_none_out_changes_nothing(limit: int) -> None:
    epochs = rows_of_epochs(None)
    assert rows_of_epochs(limit) == epochs
    assert all(sorted(rows) == list(range(36)) for rows in epochs)
    shuffler = torch.Generator().manual_seed(0)
    batches = [batch for _ in epochs for batch in shuffled_batches(MIXED.ids, 8, shuffler)]
    assert [row for batch in batches for row in batch] == [row for rows in epochs for row in rows]


def test_learning_rate_bar_and_means_count_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    totals, model, extra = list[int](), encoder(), nn.Parameter(torch.tensor([0.0]))
    idle = nothing(model)

    def record(total: int, **options: Any) -> object:
        totals.append(total)
        return tqdm(total=total, **options)

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        return {"loss": idle(batch)["loss"] + extra.sum(), "one": torch.tensor(1.0)}

    monkeypatch.setattr(loop, "tqdm", record)
    optimizer = Optimizer(learning_rate=0.1, warmup_share=0.0, max_grad_norm=100, averaging=0.0)
    _, reported = train(
        model, objective, epochs=2, optimizer=optimizer, data=MIXED, transfer_per_epoch=4,
        extra_parameters=(extra,),
    )  # fmt: skip
    assert totals == [6], "twice 20 sentences in batches of 8"
    # Under a constant gradient Adam goes by the learning rate: 0.1 (6 + 5 + 4 + 3 + 2 + 1) / 6.
    assert extra.item() == pytest.approx(-0.35, abs=1e-4)
    assert [values["train/one"] for values in reported] == [1.0, 1.0]


def test_the_seed_decides_every_weight_of_a_model_that_draws() -> None:
    made = []
    for seed in (1, 1, 2):
        model = encoder()

        def objective(batch: Batch, model: Encoder = model) -> Mapping[str, Tensor]:
            return {"loss": hard_loss(model(batch.ids, batch.mask), batch.labels)}

        train(model, objective, epochs=2, seed=seed, data=MIXED, transfer_per_epoch=5)
        made.append(model.classifier.weight)
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])


# --- seeds ------------------------------------------------------------------------------------


def test_the_seed_decides_every_weight() -> None:
    start = encoder()
    made = []
    for seed in (1, 1, 2):
        model = deepcopy(start)
        train(model, cross_entropy(model), epochs=2, seed=seed)
        made.append(model.state_dict())
    one, again, other = made
    assert [name for name in one if not torch.equal(one[name], again[name])] == []
    # The keys' bias cancels in the softmax, hence "some", not "all".
    assert [name for name in one if not torch.equal(one[name], other[name])] != []


def test_the_global_random_state_is_neither_used_nor_changed() -> None:
    start, made = encoder(), []
    for state in (5, 6):
        torch.manual_seed(state)
        before = torch.get_rng_state()
        model = deepcopy(start)
        train(model, cross_entropy(model), epochs=1)
        assert torch.equal(torch.get_rng_state(), before)
        made.append(model.classifier.weight)
    assert torch.equal(*made)


def test_averaged_weights_are_those_that_are_scored_and_kept() -> None:
    model, plain = encoder(), encoder()
    steady = Optimizer(learning_rate=0.01, warmup_share=0.0, averaging=0.9)
    best, reported = train(model, cross_entropy(model), optimizer=steady)
    train(plain, cross_entropy(plain))
    assert best["val/macro_f1"] == max(values["val/macro_f1"] for values in reported)
    kept = classification_scores(VAL.labels, predict_logits(model, VAL.ids).argmax(1), SENTIMENT)
    assert best["val/macro_f1"] == kept["macro_f1"]
    pairs = zip(model.parameters(), plain.parameters(), strict=True)
    assert max((a - b).abs().max().item() for a, b in pairs) > 1e-3, "no average is the last step"


def test_an_average_of_weights_that_stay_is_those_weights() -> None:
    model, before = encoder(), encoder()
    still = Optimizer(learning_rate=0.01, weight_decay=0.0, averaging=0.9)
    train(model, nothing(model), optimizer=still)
    for ours, theirs in zip(model.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)

"""Scores against values worked out by hand, and the bootstrap against a plain loop."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from fincompress.data.labels import SENTIMENT
from fincompress.evaluation import metrics
from fincompress.evaluation.metrics import (
    classification_scores,
    confusion_counts,
    f1_intervals,
    macro_f1_difference_interval,
    mcnemar_p_value,
    paired_ratio,
    percentile_intervals,
    round_medians,
)


def test_scores_are_those_worked_out_by_hand() -> None:
    # negative: 1 hit, 1 wrong, 1 missed. neutral: 2 hits, 2 wrong. positive: never predicted.
    found = classification_scores([0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 0, 1], SENTIMENT)
    assert found == {
        "macro_f1": pytest.approx((1 / 2 + 2 / 3 + 0) / 3),
        "accuracy": 0.5,
        "f1_negative": 0.5,
        "f1_neutral": pytest.approx(2 / 3),
        "f1_positive": 0.0,
    }


def test_perfect_answers_score_one() -> None:
    assert set(classification_scores([0, 1, 2], [0, 1, 2], SENTIMENT).values()) == {1.0}


def test_a_class_that_never_occurs_still_counts_in_the_mean() -> None:
    found = classification_scores([0, 1], [0, 1], SENTIMENT)
    assert found["f1_positive"] == 0.0
    assert found["macro_f1"] == pytest.approx(2 / 3)


def test_macro_f1_weighs_classes_alike_however_rare() -> None:
    # Nine neutral sentences right, the one negative sentence missed: accuracy hides it.
    found = classification_scores([1] * 9 + [0], [1] * 10, SENTIMENT)
    assert found["accuracy"] == 0.9
    assert found["macro_f1"] == pytest.approx(18 / 19 / 3)


def answers(n: int, right: float) -> tuple[list[int], list[int]]:
    rng = np.random.default_rng(5)
    truth = rng.choice(3, n, p=[0.2, 0.5, 0.3])
    guess = np.where(rng.random(n) < right, truth, rng.choice(3, n))
    return truth.tolist(), guess.tolist()


def test_the_interval_encloses_the_score_and_is_narrower_for_more_sentences() -> None:
    widths = []
    for n in (100, 1600):
        truth, guess = answers(n, right=0.7)
        low, high = f1_intervals(truth, guess, SENTIMENT)["macro_f1"]
        assert 0 < low < classification_scores(truth, guess, SENTIMENT)["macro_f1"] < high < 1
        widths.append(high - low)
    # Four times narrower for sixteen times the sentences, give or take the sample.
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.25)


def test_the_interval_depends_on_the_seed_and_on_nothing_else() -> None:
    truth, guess = answers(80, right=0.7)
    assert (
        f1_intervals(truth, guess, SENTIMENT, 3)["macro_f1"]
        == f1_intervals(truth, guess, SENTIMENT, 3)["macro_f1"]
    )
    assert (
        f1_intervals(truth, guess, SENTIMENT, 3)["macro_f1"]
        != f1_intervals(truth, guess, SENTIMENT, 4)["macro_f1"]
    )


def test_perfect_answers_have_no_spread() -> None:
    truth = [0, 1, 2] * 40
    assert f1_intervals(truth, truth, SENTIMENT)["macro_f1"] == (1.0, 1.0)


# With 12 sentences a resample often lacks a class: both must score it 0.
@pytest.mark.parametrize("n", [12, 90])
def test_the_interval_is_that_of_a_plain_loop(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 40)
    truth, guess = map(np.array, answers(n, right=0.6))
    rng = np.random.default_rng(7)
    found = []
    for pick in rng.integers(0, n, (40, n)):
        found.append(
            f1_score(truth[pick], guess[pick], labels=[0, 1, 2], average="macro", zero_division=0.0)
        )
    low, high = f1_intervals(truth.tolist(), guess, SENTIMENT, seed=7)["macro_f1"]
    assert (low, high) == pytest.approx(tuple(np.percentile(found, [2.5, 97.5])), abs=1e-12)


def test_a_drop_is_resampled_in_pairs() -> None:
    truth, reference = answers(300, right=0.8)
    assert macro_f1_difference_interval(truth, reference, reference, 3) == (0.0, 0.0), (
        "no noise of its own"
    )
    worse = [0] * 30 + reference[30:]
    low, high = macro_f1_difference_interval(truth, reference, worse, 3)
    drop = (
        classification_scores(truth, reference, SENTIMENT)["macro_f1"]
        - classification_scores(truth, worse, SENTIMENT)["macro_f1"]
    )
    assert low < drop < high
    alone = f1_intervals(truth, worse, SENTIMENT)["macro_f1"]
    assert high - low < alone[1] - alone[0]


def seeds(n: int, right: float, count: int) -> tuple[list[int], NDArray[np.int64]]:
    """Labels (n,) and the answers (count, n) of models that are wrong independently."""
    truth, _ = answers(n, right)
    rng = np.random.default_rng(6)
    wrong = rng.choice(3, (count, n))
    return truth, np.where(rng.random((count, n)) < right, truth, wrong)


def test_seeds_that_answer_alike_have_the_interval_of_one() -> None:
    truth, guess = answers(120, right=0.7)
    other = [0] * 20 + guess[20:]
    alone = f1_intervals(truth, guess, SENTIMENT, seed=3)["macro_f1"]
    assert f1_intervals(truth, [guess], SENTIMENT, seed=3)["macro_f1"] == alone
    assert f1_intervals(truth, [guess] * 3, SENTIMENT, seed=3)["macro_f1"] == pytest.approx(
        alone, abs=1e-12
    )
    drop = macro_f1_difference_interval(truth, guess, other, 3, seed=3)
    for first, second in (([guess] * 3, [other] * 3), ([guess] * 2, other)):
        found = macro_f1_difference_interval(truth, first, second, 3, seed=3)
        assert found == pytest.approx(drop, abs=1e-12)


def test_independent_seeds_narrow_the_interval_of_their_mean() -> None:
    truth, guesses = seeds(200, right=0.6, count=5)
    low, high = f1_intervals(truth, guesses, SENTIMENT)["macro_f1"]
    assert (
        low
        < np.mean([classification_scores(truth, guess, SENTIMENT)["macro_f1"] for guess in guesses])
        < high
    )
    alone = [f1_intervals(truth, guess, SENTIMENT)["macro_f1"] for guess in guesses]
    assert high - low < 0.7 * min(end - start for start, end in alone)
    pooled = macro_f1_difference_interval(truth, guesses[1:], guesses[0], 3)
    single = macro_f1_difference_interval(truth, guesses[1], guesses[0], 3)
    assert pooled[1] - pooled[0] < single[1] - single[0]


def test_all_seeds_are_scored_on_the_same_resample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 8)
    truth, guesses = seeds(90, right=0.6, count=2)
    found = []
    for pick in np.random.default_rng(7).integers(0, 90, (8, 90)):
        right = np.array(truth)[pick].tolist()
        found.append(
            np.mean(
                [
                    classification_scores(right, guess[pick], SENTIMENT)["macro_f1"]
                    for guess in guesses
                ]
            )
        )
    ends = f1_intervals(truth, guesses, SENTIMENT, seed=7)["macro_f1"]
    assert ends == pytest.approx(tuple(np.percentile(found, [2.5, 97.5])), abs=1e-12)


def test_mcnemar_counts_the_sentences_that_one_of_two_gets_right() -> None:
    # Both right on 20, both wrong on 5; one alone right on 1, the other alone on 9.
    truth = [0] * 35
    first = [0] * 20 + [1] * 5 + [0] * 1 + [2] * 9
    second = [0] * 20 + [2] * 5 + [1] * 1 + [0] * 9
    by_hand = 2 * (1 + 10) / 2**10  # at most one head in ten throws, on either side
    assert mcnemar_p_value(truth, first, second) == pytest.approx(by_hand)
    assert mcnemar_p_value(truth, second, first) == mcnemar_p_value(truth, first, second)


def test_mcnemar_of_no_difference_is_one() -> None:
    assert mcnemar_p_value([0, 1, 2], [0, 2, 2], [0, 0, 2]) == 1.0, "wrong on the same, differently"
    assert mcnemar_p_value([0, 1], [0, 0], [1, 1]) == 1.0, "each alone right on one"


def test_the_rows_of_a_confusion_are_the_right_classes() -> None:
    assert confusion_counts([0, 0, 1, 1, 1], [0, 1, 1, 1, 0], 3) == [
        [1, 1, 0],
        [1, 2, 0],
        [0, 0, 0],
    ]


def test_percentiles_resample_whole_rounds() -> None:
    steady = [1.0, 2.0, 3.0] * 20
    assert percentile_intervals(steady, 3, {"p50": 50, "p100": 100}) == {
        "p50": (2.0, 2.0), "p100": (3.0, 3.0),
    }  # fmt: skip
    # Two of ten rounds were slow: single timings would hide how uncertain that makes p95.
    drifting = [1.0] * 240 + [2.0] * 60
    low, high = percentile_intervals(drifting, 30, {"p95": 95})["p95"]
    assert (low, high) == (1.0, 2.0)


def test_rounds_have_their_medians_and_the_last_may_be_shorter() -> None:
    assert round_medians([3.0, 1.0, 2.0, 9.0, 5.0, 7.0, 4.0, 8.0], 3) == (2.0, 7.0, 6.0)


def test_a_ratio_is_that_of_rounds_and_not_of_medians() -> None:
    # The machine halved its speed for two rounds of five: each alone moves, the ratio does not.
    other, own = [10.0, 10.0, 10.0, 20.0, 20.0], [4.0, 4.0, 4.0, 8.0, 8.0]
    assert paired_ratio(other, own) == (2.5, (2.5, 2.5))
    assert paired_ratio(own, own) == (1.0, (1.0, 1.0))


def test_the_interval_of_a_ratio_covers_what_is_true() -> None:
    """Rounds whose ratios scatter by 15 %: twenty give an interval that is worth its name."""
    noise = np.random.default_rng(0)
    rounds = np.exp(noise.normal(0, 0.15, (300, 20)))
    found = [paired_ratio((2 * row).tolist(), [1.0] * 20)[1] for row in rounds]
    covered = np.mean([low <= 2 <= high for low, high in found])
    assert 0.9 < covered < 0.99


@pytest.mark.parametrize(("other", "own"), [([1.0, 2.0], [1.0]), ([], [])])
def test_ratios_need_the_same_rounds_of_both(other: list[float], own: list[float]) -> None:
    with pytest.raises(ValueError, match=f"not {len(other)} and {len(own)}"):
        paired_ratio(other, own)

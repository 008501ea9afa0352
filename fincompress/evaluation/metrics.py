"""Labels, predictions and timings become scores and percentiles, with bootstrap intervals.

Intervals are 95 % percentile-bootstrap intervals: Efron and Tibshirani (1993), "An Introduction to
the Bootstrap". Two classifiers are compared by the test of McNemar (1947), "Note on the sampling
error of the difference between correlated proportions or percentages".
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest  # type: ignore[import-untyped]
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from fincompress.data.sentences import LABELS

CLASSES = list(range(len(LABELS)))
RESAMPLES = 2000


def classification_scores(labels: Sequence[int], predicted: ArrayLike) -> dict[str, float]:
    """Return macro-F1, accuracy and the F1 of each class; a class never predicted scores 0."""
    per_class = f1_score(labels, predicted, labels=CLASSES, average=None, zero_division=0.0)
    by_name = {f"f1_{name}": float(f1) for name, f1 in zip(LABELS, per_class, strict=True)}
    return {
        "macro_f1": float(np.mean(per_class)),
        "accuracy": float(accuracy_score(labels, predicted)),
        **by_name,
    }


def f1_intervals(
    labels: Sequence[int], predicted: ArrayLike, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return the intervals of macro-F1 and of the F1 of each class over sentences.

    `predicted` is (n,), or (seeds, n) for the mean over models that differ in their seed. Then each
    resample is the same for all: a sentence answered by three models is not three sentences.
    """
    truth = np.asarray(labels)
    found = _resampled_f1(truth, predicted, _counts(len(truth), seed))
    each = {f"f1_{name}": _ends(row) for name, row in zip(LABELS, found, strict=True)}
    return {"macro_f1": _ends(found.mean(axis=0)), **each}


def macro_f1_difference_interval(
    labels: Sequence[int], first: ArrayLike, second: ArrayLike, seed: int = 0
) -> tuple[float, float]:
    """Return the interval of macro-F1 of `first` less that of `second`.

    Paired: both are scored on the same resampled sentences. Each is (n,), or (seeds, n) for the
    mean over seeds; they may differ in the number of seeds.
    """
    truth = np.asarray(labels)
    counts = _counts(len(truth), seed)
    found = _resampled_f1(truth, first, counts) - _resampled_f1(truth, second, counts)
    return _ends(found.mean(axis=0))


def mcnemar_p_value(labels: Sequence[int], first: ArrayLike, second: ArrayLike) -> float:
    """Return the exact two-sided p-value of two classifiers being wrong equally often.

    Labels and both predictions are (n,). Only sentences that one of them gets right count.
    """
    truth = np.asarray(labels)
    first_right, second_right = np.asarray(first) == truth, np.asarray(second) == truth
    apart = int((first_right != second_right).sum())
    if not apart:
        return 1.0
    return float(binomtest(int((first_right & ~second_right).sum()), apart).pvalue)


def confusion_counts(labels: Sequence[int], predicted: ArrayLike) -> list[list[int]]:
    """Return how often each right class (rows) got each answer (columns); both inputs are (n,)."""
    counts: list[list[int]] = confusion_matrix(labels, predicted, labels=CLASSES).tolist()
    return counts


def percentile_intervals(
    timings: Sequence[float], size: int, percentiles: Mapping[str, float], seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return the interval of each percentile of timings that were taken in rounds of `size`.

    Whole rounds are resampled: what is timed within one shares the state of the machine.
    """
    rounds = [np.asarray(timings[start : start + size]) for start in range(0, len(timings), size)]
    rng = np.random.default_rng(seed)
    found = np.array(
        [
            np.percentile(
                np.concatenate([rounds[i] for i in rng.integers(0, len(rounds), len(rounds))]),
                list(percentiles.values()),
            )
            for _ in range(RESAMPLES)
        ]
    )
    return {name: _ends(found[:, place]) for place, name in enumerate(percentiles)}


def round_medians(timings: Sequence[float], size: int) -> tuple[float, ...]:
    """Return the median of each round of `size` of the `timings`, (n,), in the order taken."""
    rounds = [timings[start : start + size] for start in range(0, len(timings), size)]
    return tuple(float(np.median(one)) for one in rounds)


def paired_ratio(
    other: Sequence[float], own: Sequence[float], seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """Return how many times as long `other` took as `own`, and the interval of that.

    Both are (rounds,): the medians of rounds in which both were timed, side by side. The ratio is
    taken in each round, so that a machine that slows down for both changes nothing, and its median
    over rounds is returned; whole rounds are resampled. Raises `ValueError` unless both have the
    same number of rounds, and one at least.
    """
    if not len(other) == len(own) > 0:
        raise ValueError(f"ratios need the same rounds of both, not {len(other)} and {len(own)}")
    ratios = np.asarray(other) / np.asarray(own)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(ratios), (RESAMPLES, len(ratios)))
    return float(np.median(ratios)), _ends(np.median(ratios[chosen], axis=1))


def _counts(count: int, seed: int) -> NDArray[np.float64]:
    """How often each resample has each sentence, (resamples, n)."""
    rng = np.random.default_rng(seed)
    return np.stack(
        [
            np.bincount(rng.integers(0, count, count), minlength=count).astype(float)
            for _ in range(RESAMPLES)
        ]
    )


def _ends(resampled: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return float(low), float(high)


def _resampled_f1(
    truth: NDArray[np.int64], predicted: ArrayLike, counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """F1 by class and resample, (labels, resamples), of resamples' `counts`: mean over seeds."""
    total = np.zeros((len(CLASSES), len(counts)))
    seeds = np.atleast_2d(np.asarray(predicted))
    for answer in seeds:
        for c in CLASSES:
            hits = counts @ ((truth == c) & (answer == c)).astype(float)
            named = counts @ ((truth == c).astype(float) + (answer == c))
            total[c] += np.divide(2 * hits, named, out=np.zeros(len(counts)), where=named > 0)
    return total / len(seeds)

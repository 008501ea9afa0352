"""Metrics: F1 and accuracy, latency percentiles and paired ratios, with bootstrap intervals.

Intervals are 95 % percentile-bootstrap intervals: Efron and Tibshirani (1993), "An Introduction to
the Bootstrap". Two classifiers are compared by the test of McNemar (1947), "Note on the sampling
error of the difference between correlated proportions or percentages".
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest  # type: ignore[import-untyped]
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from fincompress.data.labels import metric_name

RESAMPLES = 2000  # of every bootstrap


def class_f1_name(label: str) -> str:
    """Return the name of the F1 of one class, by the name of its label."""
    return f"f1_{metric_name(label)}"


def classification_scores(
    labels: Sequence[int], predicted: ArrayLike, label_names: Sequence[str]
) -> dict[str, float]:
    """Return `macro_f1`, `accuracy` and, for each class, `f1_<label>`.

    Labels and predictions are class indices, (n,), of `label_names`. A class that neither holds has
    an F1 of 0, and counts in the mean.
    """
    classes = range(len(label_names))
    per_class = f1_score(labels, predicted, labels=classes, average=None, zero_division=0.0)
    by_name = {
        class_f1_name(name): float(f1) for name, f1 in zip(label_names, per_class, strict=True)
    }
    return {
        "macro_f1": float(np.mean(per_class)),
        "accuracy": float(accuracy_score(labels, predicted)),
        **by_name,
    }


def f1_intervals(
    labels: Sequence[int], predicted: ArrayLike, label_names: Sequence[str], seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return the 95 % intervals of `macro_f1` and of each `f1_<label>`, resampling sentences.

    `labels` is (n,), indices of `label_names`. `predicted` is (n,), or (seeds, n) for the mean over
    models that were trained with different seeds. All seeds then share each resample, since one
    sentence answered by three models is not three independent sentences. `seed` is that of the
    resampling.
    """
    truth = np.asarray(labels)
    counts = _counts(len(truth), seed)
    f1 = _resampled_f1(truth, predicted, counts, len(label_names))  # (labels, resamples)
    per_class = {
        class_f1_name(name): interval_ends(row) for name, row in zip(label_names, f1, strict=True)
    }
    return {"macro_f1": interval_ends(f1.mean(axis=0)), **per_class}


def macro_f1_difference_interval(
    labels: Sequence[int], first: ArrayLike, second: ArrayLike, classes: int, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of the macro-F1 of `first` minus that of `second`.

    The bootstrap is paired: both are scored on the same resampled sentences. Predictions are (n,),
    or (seeds, n) for the mean over seeds; the two may differ in their number of seeds. `classes` is
    the number of labels.
    """
    truth = np.asarray(labels)
    counts = _counts(len(truth), seed)
    each = [_resampled_f1(truth, answers, counts, classes) for answers in (first, second)]
    difference = each[0] - each[1]  # (labels, resamples)
    return interval_ends(difference.mean(axis=0))


def mcnemar_p_value(labels: Sequence[int], first: ArrayLike, second: ArrayLike) -> float:
    """Return the exact two-sided p-value of the hypothesis that both classifiers err equally often.

    Labels and both predictions are (n,). Only sentences count that exactly one of the two gets
    right; without any, the p-value is 1.
    """
    truth = np.asarray(labels)
    first_right, second_right = np.asarray(first) == truth, np.asarray(second) == truth
    discordant = int((first_right != second_right).sum())
    if not discordant:
        return 1.0
    return float(binomtest(int((first_right & ~second_right).sum()), discordant).pvalue)


def confusion_counts(labels: Sequence[int], predicted: ArrayLike, classes: int) -> list[list[int]]:
    """Return the confusion matrix: true classes in rows, predictions in columns. Both are (n,)."""
    counts: list[list[int]] = confusion_matrix(labels, predicted, labels=range(classes)).tolist()
    return counts


def percentile_intervals(
    timings: Sequence[float], size: int, percentiles: Mapping[str, float], seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of each named percentile of `timings`, (n,).

    They were taken in rounds of `size` calls. Whole rounds are resampled, because calls of one
    round share the state of the machine. `percentiles` maps a name to a percentile, 0 to 100.
    """
    rounds = [np.asarray(timings[start : start + size]) for start in range(0, len(timings), size)]
    rng = np.random.default_rng(seed)
    resampled = np.array(
        [
            np.percentile(
                np.concatenate([rounds[i] for i in rng.integers(0, len(rounds), len(rounds))]),
                list(percentiles.values()),
            )
            for _ in range(RESAMPLES)
        ]
    )
    return {name: interval_ends(resampled[:, column]) for column, name in enumerate(percentiles)}


def round_medians(timings: Sequence[float], size: int) -> tuple[float, ...]:
    """Return the median of each round of `size` calls, (rounds,), of `timings`, (n,), in order."""
    rounds = [timings[start : start + size] for start in range(0, len(timings), size)]
    return tuple(float(np.median(calls)) for calls in rounds)


def paired_ratio(
    numerator: Sequence[float], denominator: Sequence[float], seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """Return the median ratio of two series of timings, and its 95 % interval.

    Both are (rounds,): the medians of rounds in which both were timed in turns. A ratio is taken in
    each round, so that a machine that slows down for both does not change it. Whole rounds are
    resampled. Raises `ValueError` unless both have the same number of rounds, at least one.
    """
    if not len(numerator) == len(denominator) > 0:
        raise ValueError(
            "paired ratios need equally many rounds, at least one, "
            f"not {len(numerator)} and {len(denominator)}"
        )
    ratios = np.asarray(numerator) / np.asarray(denominator)  # (rounds,)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(ratios), (RESAMPLES, len(ratios)))
    return float(np.median(ratios)), interval_ends(np.median(ratios[chosen], axis=1))


def _counts(count: int, seed: int) -> NDArray[np.float64]:
    """How often each resample holds each sentence, (resamples, n)."""
    rng = np.random.default_rng(seed)
    return np.stack(
        [
            np.bincount(rng.integers(0, count, count), minlength=count).astype(float)
            for _ in range(RESAMPLES)
        ]
    )


def interval_ends(resampled: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of the 95 % percentile interval of a resampled statistic, (resamples,)."""
    low, high = np.percentile(resampled, [2.5, 97.5])
    return float(low), float(high)


def _resampled_f1(
    truth: NDArray[np.int64], predicted: ArrayLike, counts: NDArray[np.float64], classes: int
) -> NDArray[np.float64]:
    """The F1 of each class in each resample, (labels, resamples), as the mean over seeds.

    `counts` says how often each resample holds each sentence, (resamples, n).
    """
    total = np.zeros((classes, len(counts)))
    by_seed = np.atleast_2d(np.asarray(predicted))  # (seeds, n)
    for guesses in by_seed:
        for c in range(classes):
            hits = counts @ ((truth == c) & (guesses == c)).astype(float)  # (resamples,)
            # F1 = 2 TP / (2 TP + FP + FN), and the denominator is the true plus the predicted.
            either = counts @ ((truth == c).astype(float) + (guesses == c))
            total[c] += np.divide(2 * hits, either, out=np.zeros(len(counts)), where=either > 0)
    return total / len(by_seed)

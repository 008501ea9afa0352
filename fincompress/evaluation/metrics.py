"""Labels, predictions and timings become scores and percentiles, with bootstrap intervals.

Intervals are 95 % percentile-bootstrap intervals: Efron and Tibshirani (1993), "An Introduction to
the Bootstrap".
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import accuracy_score, f1_score

from fincompress.data.rows import LABELS

CLASSES = list(range(len(LABELS)))
RESAMPLES = 2000


def scores(labels: Sequence[int], predicted: ArrayLike) -> dict[str, float]:
    """Return macro-F1, accuracy and the F1 of each class; a class never predicted scores 0."""
    per_class = f1_score(labels, predicted, labels=CLASSES, average=None, zero_division=0.0)
    by_name = {f"f1_{name}": float(f1) for name, f1 in zip(LABELS, per_class, strict=True)}
    return {
        "macro_f1": float(np.mean(per_class)),
        "accuracy": float(accuracy_score(labels, predicted)),
        **by_name,
    }


def macro_f1_interval(
    labels: Sequence[int], predicted: ArrayLike, seed: int = 0
) -> tuple[float, float]:
    """Return the interval of macro-F1 over sentences."""
    truth, answer = np.asarray(labels), np.asarray(predicted)
    picks = _picks(len(truth), seed)
    return _ends(_macro_f1_rows(truth[picks], answer[picks]))


def macro_f1_drop_interval(
    labels: Sequence[int], reference: ArrayLike, predicted: ArrayLike, seed: int = 0
) -> tuple[float, float]:
    """Return the interval of macro-F1 of `reference` less that of `predicted`.

    Paired: both are scored on the same resampled sentences.
    """
    truth, first, second = np.asarray(labels), np.asarray(reference), np.asarray(predicted)
    picks = _picks(len(truth), seed)
    drops = _macro_f1_rows(truth[picks], first[picks]) - _macro_f1_rows(truth[picks], second[picks])
    return _ends(drops)


def percentile_intervals(
    timings: Sequence[float], size: int, percentiles: Mapping[str, float], seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return the interval of each percentile of timings that were taken in rounds of `size`.

    Whole rounds are resampled: what is timed within one shares the state of the machine.
    """
    rounds = [np.asarray(timings[start : start + size]) for start in range(0, len(timings), size)]
    rng = np.random.default_rng(seed)
    found = np.array([
        np.percentile(
            np.concatenate([rounds[i] for i in rng.integers(0, len(rounds), len(rounds))]),
            list(percentiles.values()),
        )
        for _ in range(RESAMPLES)
    ])  # fmt: skip
    return {name: _ends(found[:, place]) for place, name in enumerate(percentiles)}


def _picks(count: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))


def _ends(resampled: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return float(low), float(high)


def _macro_f1_rows(truth: NDArray[np.int64], answer: NDArray[np.int64]) -> NDArray[np.float64]:
    """Macro-F1 of each row of two (resamples, n) arrays."""
    total = np.zeros(len(truth))
    for c in CLASSES:
        hits = ((truth == c) & (answer == c)).sum(1)
        named = (truth == c).sum(1) + (answer == c).sum(1)
        total += np.divide(2 * hits, named, out=np.zeros(len(truth)), where=named > 0)
    return total / len(CLASSES)

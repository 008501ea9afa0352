"""Labels and predictions become macro-F1, accuracy and per-class F1, with intervals."""

from collections.abc import Sequence

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
    """Return the 95 % percentile-bootstrap interval of macro-F1 over sentences."""
    truth, answer = np.asarray(labels), np.asarray(predicted)
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(truth), (RESAMPLES, len(truth)))
    low, high = np.percentile(_macro_f1_rows(truth[picks], answer[picks]), [2.5, 97.5])
    return float(low), float(high)


def _macro_f1_rows(truth: NDArray[np.int64], answer: NDArray[np.int64]) -> NDArray[np.float64]:
    """Macro-F1 of each row of two (resamples, n) arrays."""
    total = np.zeros(len(truth))
    for c in CLASSES:
        hits = ((truth == c) & (answer == c)).sum(1)
        named = (truth == c).sum(1) + (answer == c).sum(1)
        total += np.divide(2 * hits, named, out=np.zeros(len(truth)), where=named > 0)
    return total / len(CLASSES)

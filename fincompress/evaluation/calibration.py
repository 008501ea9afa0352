"""Calibration: expected calibration error, reliability bins and temperature scaling.

Guo et al. (2017), "On Calibration of Modern Neural Networks".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]
from scipy.special import log_softmax  # type: ignore[import-untyped]

BINS = 15
# Bounds of the search: if every prediction is right, the likelihood rises without end as the
# temperature falls, and if none is, as it rises.
LOWEST_TEMPERATURE = 0.05
HIGHEST_TEMPERATURE = 20.0


@dataclass(frozen=True)
class Bin:
    """A bin of a reliability diagram: the predictions whose confidence lies in one interval.

    `confidence`: their mean confidence, the probability of the predicted class. `accuracy`: the
    share of them that is right. `count`: how many there are.
    """

    confidence: float
    accuracy: float
    count: int


def reliability_bins(
    labels: Sequence[int], probabilities: ArrayLike, bins: int = BINS
) -> list[Bin]:
    """Return mean confidence and accuracy of the predictions in each bin, without empty bins.

    The `bins` are of equal width, over the probability of the predicted class. Labels are class
    indices, (n,), and probabilities (n, labels).
    """
    rows = np.asarray(probabilities, dtype=np.float64)
    confidence = rows.max(1)  # (n,)
    right = rows.argmax(1) == np.asarray(labels)  # (n,)
    bin_numbers = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)  # (n,)
    return [
        Bin(float(confidence[inside].mean()), float(right[inside].mean()), int(inside.sum()))
        for inside in (bin_numbers == number for number in np.unique(bin_numbers))
    ]


def expected_calibration_error(
    labels: Sequence[int], probabilities: ArrayLike, bins: int = BINS
) -> float:
    """Return the mean distance between confidence and accuracy of a bin, weighted by its count.

    Labels are class indices, (n,), and probabilities (n, labels).
    """
    filled = reliability_bins(labels, probabilities, bins)
    return sum(b.count * abs(b.accuracy - b.confidence) for b in filled) / len(labels)


def fit_temperature(labels: Sequence[int], logits: ArrayLike) -> float:
    """Return the temperature with the least cross-entropy of logits (n, labels), labels (n,).

    Dividing logits by a temperature changes no prediction, only its confidence. The result lies
    between `LOWEST_TEMPERATURE` and `HIGHEST_TEMPERATURE`.
    """
    right = np.asarray(labels)[:, None]  # (n, 1)
    given = np.asarray(logits, dtype=np.float64)

    def cross_entropy(log_temperature: float) -> float:
        log_probabilities = log_softmax(given / math.exp(log_temperature), axis=1)
        return -float(np.take_along_axis(log_probabilities, right, axis=1).mean())

    bounds = (math.log(LOWEST_TEMPERATURE), math.log(HIGHEST_TEMPERATURE))
    return math.exp(minimize_scalar(cross_entropy, bounds=bounds, method="bounded").x)

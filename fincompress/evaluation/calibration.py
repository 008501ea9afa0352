"""Logits become probabilities, how far these are from the truth, and the temperature that mends it.

Guo et al. (2017), "On Calibration of Modern Neural Networks".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]
from scipy.special import log_softmax, softmax  # type: ignore[import-untyped]

BINS = 15
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = (
    0.05,
    20.0,
)  # where no answer is wrong, no temperature is cold enough


@dataclass(frozen=True)
class Bin:
    """The sentences whose answers are about equally sure: mean confidence, share of them right."""

    confidence: float
    accuracy: float
    count: int


def class_probabilities(logits: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the probabilities (n, labels) of logits (n, labels), softened by the temperature."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    found: NDArray[np.float64] = softmax(scaled, axis=1)
    return found


def reliability_bins(
    labels: Sequence[int], probabilities: ArrayLike, bins: int = BINS
) -> list[Bin]:
    """Return what the answers of each bin claim and how many are right, without empty bins.

    The bins are of equal width, over the probability of the predicted class: labels (n,),
    probabilities (n, labels).
    """
    given = np.asarray(probabilities, dtype=np.float64)
    sure, right = given.max(1), given.argmax(1) == np.asarray(labels)  # (n,) both
    places = np.digitize(sure, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    return [
        Bin(float(sure[inside].mean()), float(right[inside].mean()), int(inside.sum()))
        for inside in (places == place for place in np.unique(places))
    ]


def expected_calibration_error(
    labels: Sequence[int], probabilities: ArrayLike, bins: int = BINS
) -> float:
    """Return the mean over sentences of how far the confidence of their bin is from its accuracy.

    Labels (n,), probabilities (n, labels).
    """
    found = reliability_bins(labels, probabilities, bins)
    return sum(b.count * abs(b.accuracy - b.confidence) for b in found) / len(labels)


def fit_temperature(labels: Sequence[int], logits: ArrayLike) -> float:
    """Return the temperature at which logits (n, labels) make the labels (n,) most likely.

    It changes no answer, only how sure each is.
    """
    right = np.asarray(labels)[:, None]  # (n, 1)
    given = np.asarray(logits, dtype=np.float64)

    def unlikeliness(log_temperature: float) -> float:
        log_shares = log_softmax(given / math.exp(log_temperature), axis=1)
        return -float(np.take_along_axis(log_shares, right, axis=1).mean())

    ends = (math.log(LOWEST_TEMPERATURE), math.log(HIGHEST_TEMPERATURE))
    return math.exp(minimize_scalar(unlikeliness, bounds=ends, method="bounded").x)

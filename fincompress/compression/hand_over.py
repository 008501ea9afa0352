"""The threshold of a cascade: which texts a cheap model may answer, with a guarantee.

The risk of a threshold is the probability that a text is answered by the cheap model, and not as
the sure model would answer it. Thresholds are tested from the highest, where everything is handed
over and the risk is zero, to lower ones, until the hypothesis "the risk is above the limit" can no
longer be rejected. As each test is made only if the one before has rejected, the lowest threshold
that is reached has a risk below the limit with the certainty of a single test.

Angelopoulos, Bates, Candes, Jordan and Lei (2025), "Learn then Test: Calibrating Predictive
Algorithms to Achieve Risk Control", Annals of Applied Statistics 19(2): fixed sequence testing.
The test is the exact one of Clopper and Pearson (1934). It holds for texts drawn as those of the
calibration were, and says nothing of other texts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binom  # type: ignore[import-untyped]

from fincompress.config import UserError


@dataclass(frozen=True)
class CertifiedThreshold:
    """A threshold, and what it gives on the texts that certified it.

    `threshold`: texts are handed over unless the cheap model's highest probability is above it.
    `share`: of the texts that are handed over. `disagreement`: the share of all texts that the
    cheap model answers, and not as the sure one does. `bound`: the upper bound of that share for
    texts drawn alike.
    """

    threshold: float
    share: float
    disagreement: float
    bound: float


def certify_threshold(
    confidences: NDArray[np.floating],
    agrees: NDArray[np.bool_],
    max_disagreement: float,
    certainty: float,
) -> CertifiedThreshold:
    """Return the lowest threshold whose risk is at most `max_disagreement`, with `certainty`.

    `confidences`, (n,), are the cheap model's highest probabilities, and `agrees`, (n,), says where
    its label is the sure model's. Raises `UserError` for so few texts that nothing is certain.
    """
    count = len(confidences)
    # The most disagreements of which the test still says that the risk is below the limit.
    counts = np.arange(count + 1)
    allowed = int((binom.cdf(counts, count, max_disagreement) <= 1 - certainty).sum()) - 1
    if allowed < 0:
        needed = int(np.ceil(np.log(1 - certainty) / np.log(1 - max_disagreement)))
        raise UserError(
            f"cascade: a threshold that is {certainty:.0%} certain of at most "
            f"{max_disagreement:.1%} needs at least {needed} held-out texts, not {count}"
        )
    wrong = np.sort(confidences[~agrees])[::-1]  # those that a lower threshold meets first
    threshold = float(wrong[allowed]) if len(wrong) > allowed else 0.0
    answered = confidences > threshold
    missed = int((answered & ~agrees).sum())
    return CertifiedThreshold(
        threshold=threshold,
        share=float(1 - answered.mean()),
        disagreement=missed / count,
        bound=upper_bound(missed, count, certainty),
    )


def upper_bound(hits: int, count: int, certainty: float) -> float:
    """Return the one-sided upper bound of Clopper and Pearson of a probability.

    `hits` of `count` independent trials have had the outcome.
    """
    return 1.0 if hits == count else float(beta.ppf(certainty, hits + 1, count - hits))

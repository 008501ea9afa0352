"""The threshold of a cascade: its guarantee, and when there is none."""

import numpy as np
import pytest

from fincompress.compression.hand_over import certify_threshold, upper_bound
from fincompress.config import UserError


def _texts(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Confidences of a cheap model that is wrong more often the less confident it is."""
    random = np.random.default_rng(seed)
    confidences = random.uniform(0.34, 1.0, count).astype(np.float32)
    return confidences, random.uniform(size=count) > 0.5 * (1 - confidences)


def test_the_lowest_threshold_that_is_certain_is_chosen() -> None:
    confidences, agrees = _texts(2000, 0)
    found = certify_threshold(confidences, agrees, 0.02, 0.95)
    answered = confidences > found.threshold
    assert found.share == pytest.approx(1 - answered.mean())
    assert found.disagreement == pytest.approx((answered & ~agrees).mean())
    assert found.bound <= 0.02
    below = np.sort(confidences[~agrees & ~answered])[-1]
    assert below == np.float32(found.threshold), "the next disagreement"
    one_more = int((answered & ~agrees).sum()) + 1
    assert upper_bound(one_more, len(agrees), 0.95) > 0.02


def test_the_risk_on_new_texts_is_within_the_limit_as_often_as_promised() -> None:
    fresh, right = _texts(200_000, 1)
    broken = 0
    for seed in range(200):
        threshold = certify_threshold(*_texts(1000, 100 + seed), 0.05, 0.9).threshold
        broken += float(((fresh > threshold) & ~right).mean()) > 0.05
    assert 4 <= broken <= 32, "one in ten, give or take three standard deviations"


def test_a_cheap_model_that_always_agrees_answers_all() -> None:
    confidences, _ = _texts(500, 2)
    found = certify_threshold(confidences, np.ones(500, dtype=np.bool_), 0.02, 0.95)
    assert (found.threshold, found.share, found.disagreement) == (0.0, 0.0, 0.0)
    assert found.bound == pytest.approx(1 - 0.05 ** (1 / 500))


def test_too_few_texts_certify_nothing() -> None:
    confidences, agrees = _texts(148, 3)
    with pytest.raises(
        UserError, match=r"at most 2\.0% needs at least 149 held-out texts, not 148"
    ):
        certify_threshold(confidences, agrees, 0.02, 0.95)
    certify_threshold(*_texts(149, 3), 0.02, 0.95)


def test_every_text_may_have_to_be_handed_over() -> None:
    confidences, _ = _texts(200, 4)
    found = certify_threshold(confidences, np.zeros(200, dtype=np.bool_), 0.02, 0.95)
    assert found.share == pytest.approx(1.0)
    assert found.disagreement == 0.0

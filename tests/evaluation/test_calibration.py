"""Calibration against values worked out by hand, and a temperature that is known."""

from dataclasses import astuple

import numpy as np
import pytest
from numpy.typing import NDArray

from fincompress.evaluation.calibration import (
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
)
from fincompress.models.probabilities import class_probabilities


def drawn(n: int) -> tuple[list[int], NDArray[np.float64]]:
    """Labels (n,) that are as likely as their logits (n, 3) say."""
    rng = np.random.default_rng(11)
    logits = rng.normal(0, 2, (n, 3))
    reached = class_probabilities(logits).cumsum(1) < rng.random((n, 1))
    return reached.sum(1).tolist(), logits


def test_confidence_is_a_softmax_and_even_when_hot() -> None:
    logits = np.log([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    assert class_probabilities(logits) == pytest.approx(np.exp(logits))
    halved = np.sqrt([0.7, 0.2, 0.1])
    assert class_probabilities(logits, 2.0)[0] == pytest.approx(halved / halved.sum())
    assert class_probabilities(logits, 1e9) == pytest.approx(np.full((2, 3), 1 / 3))
    assert np.isfinite(class_probabilities([[5000.0, 0.0, -5000.0]])).all()


def test_the_error_is_that_worked_out_by_hand() -> None:
    # One bin holds 0.82 and 0.88 (half right), one 0.52 and, on its edge, 0.6 (both right).
    probabilities = [[0.82, 0.1, 0.08], [0.1, 0.88, 0.02], [0.6, 0.2, 0.2], [0.24, 0.24, 0.52]]
    labels = [0, 0, 0, 2]
    found = [astuple(one) for one in reliability_bins(labels, probabilities, bins=10)]
    assert found == [pytest.approx((0.56, 1.0, 2)), pytest.approx((0.85, 0.5, 2))]
    error = expected_calibration_error(labels, probabilities, bins=10)
    assert error == pytest.approx((2 * 0.44 + 2 * 0.35) / 4)


def test_perfect_calibration_has_no_error() -> None:
    sure = np.eye(3)[[0, 1, 2]]
    assert expected_calibration_error([0, 1, 2], sure) == 0.0
    three_of_four = [[0.75, 0.25, 0.0]] * 4
    assert expected_calibration_error([0, 0, 1, 0], three_of_four) == 0.0
    assert expected_calibration_error([1, 1, 1, 1], three_of_four) == 0.75


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_the_temperature_undoes_a_scaling_and_changes_no_answer(scale: float) -> None:
    labels, logits = drawn(8000)
    found = fit_temperature(labels, scale * logits)
    assert found == pytest.approx(scale, rel=0.05)
    before, after = class_probabilities(scale * logits), class_probabilities(scale * logits, found)
    assert (before.argmax(1) == after.argmax(1)).all()
    error = expected_calibration_error(labels, after)
    assert error < 0.02
    if scale != 1.0:
        assert error < expected_calibration_error(labels, before) / 3


def test_the_temperature_is_bounded_where_nothing_bounds_it() -> None:
    right, wrong = [0, 1, 2], [1, 2, 0]
    assert fit_temperature(right, np.eye(3)) == pytest.approx(0.05, rel=0.01)
    assert fit_temperature(wrong, np.eye(3)) == pytest.approx(20, rel=0.01)

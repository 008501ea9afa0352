"""Speed of training: a positive time, and no trace in the state of random numbers."""

import torch

from fincompress.training.speed import step_seconds


def test_the_probe_takes_time_and_leaves_the_random_state() -> None:
    before = torch.random.get_rng_state()
    assert 0 < step_seconds() < 60
    assert torch.equal(torch.random.get_rng_state(), before)

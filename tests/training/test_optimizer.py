"""Steps of the optimiser: schedule, decay, clipping, and a loss that is not finite."""

from collections.abc import Mapping
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from fincompress.config import UserError
from fincompress.training import loop
from fincompress.training.batches import Batch
from fincompress.training.loop import Optimizer
from tests.support.training import encoder, nothing, train


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_loss_that_is_not_finite_names_the_learning_rate(value: str) -> None:
    def objective(batch: Batch) -> Mapping[str, Tensor]:
        return {"loss": torch.tensor(float(value))}

    with pytest.raises(UserError) as caught:
        train(encoder(), objective, optimizer=Optimizer(learning_rate=0.25, averaging=0.0))
    assert str(caught.value) == (
        f"training: the loss became {value} in epoch 1; lower optimizer.learning_rate, now 0.25"
    )


@pytest.mark.parametrize(
    ("steps", "share", "factors"),
    [
        (10, 0.2, [1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0]),
        (4, 0.0, [1, 3 / 4, 2 / 4, 1 / 4, 0]),
        (1, 0.0, [1, 0]),
    ],
)
def test_the_learning_rate_rises_then_falls_to_nothing(
    steps: int, share: float, factors: list[float]
) -> None:
    factor = loop._warmup_then_decay(steps, share)
    assert [factor(step) for step in range(steps + 1)] == pytest.approx(factors)


def test_weights_decay_and_biases_and_normalisation_do_not() -> None:
    start = encoder()
    for parameter in start.parameters():
        nn.init.ones_(parameter)
    model = deepcopy(start)
    # One step at factor 1 of gradient zero: AdamW only decays, by learning rate * decay.
    optimizer = Optimizer(learning_rate=0.1, weight_decay=0.5, warmup_share=0.0, averaging=0.0)
    train(model, nothing(model), epochs=1, batch_size=64, optimizer=optimizer)
    for name, weight in model.state_dict().items():
        decays = name.endswith("weight") and "norm" not in name
        expected = torch.full_like(weight, 1 - 0.1 * 0.5 if decays else 1.0)
        torch.testing.assert_close(weight, expected, msg=name)


def test_other_parameters_are_trained_along() -> None:
    model, extra = encoder(), nn.Parameter(torch.tensor([1.0]))
    idle = nothing(model)

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        return {"loss": idle(batch)["loss"] + extra.square().sum()}

    optimizer = Optimizer(learning_rate=0.1, warmup_share=0.0, averaging=0.0)
    train(model, objective, epochs=1, batch_size=64, optimizer=optimizer, extra_parameters=(extra,))
    # Adam's first step has the length of the learning rate, whatever the gradient.
    assert extra.item() == pytest.approx(0.9, abs=1e-4)


def test_each_step_has_its_own_gradient_and_its_own_learning_rate() -> None:
    model, extra = encoder(), nn.Parameter(torch.tensor([0.0]))
    idle = nothing(model)

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        return {"loss": idle(batch)["loss"] + extra.sum()}

    optimizer = Optimizer(learning_rate=0.1, warmup_share=0.0, max_grad_norm=100, averaging=0.0)
    train(model, objective, epochs=2, batch_size=64, optimizer=optimizer, extra_parameters=(extra,))
    # Under a constant gradient Adam goes by the learning rate: 0.1 * 1, then 0.1 * 1/2.
    assert extra.item() == pytest.approx(-0.15, abs=1e-4)


def test_dropout_is_active_in_every_epoch_of_training() -> None:
    model, modes = encoder().eval(), []
    idle = nothing(model)

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        modes.append(model.training)
        return idle(batch)

    train(model, objective, epochs=2, batch_size=64)
    assert modes == [True, True]


@pytest.mark.parametrize(
    ("scale", "limit", "expected"), [(8.0, 2.0, 2.0), (1.5, 2.0, 1.5), (-8.0, 0.5, -0.5)]
)
def test_gradients_are_clipped_to_their_limit(scale: float, limit: float, expected: float) -> None:
    model, extra = encoder(), nn.Parameter(torch.tensor([0.0]))
    idle = nothing(model)

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        return {"loss": idle(batch)["loss"] + scale * extra.sum()}

    optimizer = Optimizer(max_grad_norm=limit, averaging=0.0)
    train(model, objective, epochs=1, batch_size=64, optimizer=optimizer, extra_parameters=(extra,))
    assert extra.grad is not None
    assert extra.grad.item() == pytest.approx(expected, rel=1e-4)

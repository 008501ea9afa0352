"""The four losses against values worked out by hand."""

import math

import pytest
import torch
from torch import Tensor, tensor

from fincompress.training.losses import (
    UNLABELLED,
    attention_loss,
    hard_loss,
    hidden_loss,
    soft_loss,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def attention(*shape: int, seed: int = 0) -> Tensor:
    return random(*shape, seed=seed).softmax(-1)


LONG = tensor([[True, True, True, True], [True, True, False, False]])


def test_hard_loss_is_minus_the_log_of_the_labels_probability() -> None:
    # Probabilities 1/2, 1/4, 1/4 twice: labels 0 and 2 cost ln 2 and ln 4.
    logits = tensor([[2.0, 1.0, 1.0], [2.0, 1.0, 1.0]]) * math.log(2)
    found = hard_loss(logits, tensor([0, 2]))
    assert found.item() == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_what_has_no_label_costs_nothing() -> None:
    logits = tensor([[2.0, 1.0, 1.0], [2.0, 1.0, 1.0]]) * math.log(2)
    found = hard_loss(logits, tensor([UNLABELLED, 2]))
    assert found.item() == pytest.approx(math.log(4)), "the mean over labelled sentences"
    assert hard_loss(logits, tensor([UNLABELLED, UNLABELLED])).item() == 0


def test_soft_loss_is_the_divergence_from_teacher_to_student() -> None:
    # Teacher (3/4, 1/4), student (1/2, 1/2): 3/4 ln(3/2) + 1/4 ln(1/2).
    teacher, student = tensor([[math.log(3), 0.0]]), tensor([[0.0, 0.0]])
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert soft_loss(student, teacher, 1.0).item() == pytest.approx(expected)
    turned = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert soft_loss(teacher, student, 1.0).item() == pytest.approx(turned)


def test_soft_loss_divides_logits_by_the_temperature_and_multiplies_by_its_square() -> None:
    # Logits divided by 2 give the teacher (3/4, 1/4); T^2 = 4.
    teacher, student = tensor([[2 * math.log(3), 0.0]]), tensor([[5.0, 5.0]])
    expected = 4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert soft_loss(student, teacher, 2.0).item() == pytest.approx(expected)


def test_soft_loss_is_the_mean_over_sentences() -> None:
    teacher, student = random(3, 3), random(3, 3, seed=1)
    each = [soft_loss(student[i : i + 1], teacher[i : i + 1], 4.0).item() for i in range(3)]
    assert soft_loss(student, teacher, 4.0).item() == pytest.approx(sum(each) / 3, rel=1e-5)


def test_temperature_does_not_change_the_size_of_small_gradients() -> None:
    # For logits near each other the gradient is their centred difference / labels, at any T.
    teacher = tensor([[0.02, -0.01, -0.01]])
    for temperature in (2.0, 8.0):
        student = torch.zeros(1, 3, requires_grad=True)
        soft_loss(student, teacher, temperature).backward()  # type: ignore[no-untyped-call]
        assert student.grad is not None
        torch.testing.assert_close(student.grad, -teacher / 3, rtol=0.02, atol=0)


def test_hidden_loss_is_the_mean_square_over_real_tokens() -> None:
    student = tensor([[[1.0, 2.0], [3.0, 0.0]], [[0.0, 0.0], [50.0, 50.0]]])
    teacher = torch.zeros(2, 2, 2)
    mask = tensor([[True, True], [True, False]])
    assert hidden_loss(student, teacher, mask).item() == pytest.approx((1 + 4 + 9) / 6)


def test_attention_loss_sums_over_keys_and_is_a_mean_over_real_queries() -> None:
    student = tensor([[[[1.0, 0.0], [0.5, 0.5]]]])
    teacher = tensor([[[[0.5, 0.5], [0.5, 0.5]]]])
    mask = tensor([[True, True]])
    # The first query errs by 1/4 + 1/4, the second by nothing.
    assert attention_loss(student, teacher, mask).item() == pytest.approx(0.5 / 2)


def test_attention_loss_is_the_mean_over_equal_heads() -> None:
    same = tensor([[0.5, 0.5], [0.5, 0.5]])
    far = tensor([[1.0, 0.0], [0.0, 1.0]])
    student, teacher = torch.stack([same, far])[None], torch.stack([same, same])[None]
    mask = tensor([[True, True]])
    # One head of two errs, by 1/2 in each query.
    assert attention_loss(student, teacher, mask).item() == pytest.approx(0.25)


def test_unequal_head_counts_are_compared_by_their_means() -> None:
    up, down = tensor([[1.0, 0.0], [1.0, 0.0]]), tensor([[0.0, 1.0], [0.0, 1.0]])
    student, teacher = torch.stack([up, down])[None], ((up + down) / 2)[None, None]
    mask = tensor([[True, True]])
    assert attention_loss(student, teacher, mask).item() == 0.0
    # Two heads and three: their means are (1/2, 1/2) and (1/3, 2/3).
    three = torch.stack([up, down, down])[None]
    assert attention_loss(student, three, mask).item() == pytest.approx(2 / 36)


def test_identical_inputs_cost_nothing() -> None:
    logits, states, maps = random(2, 3), random(2, 4, 5), attention(2, 3, 4, 4)
    assert soft_loss(logits, logits, 4.0).item() == pytest.approx(0, abs=1e-6)
    assert hidden_loss(states, states.clone(), LONG).item() == 0.0
    assert attention_loss(maps, maps.clone(), LONG).item() == 0.0


def test_padding_is_ignored() -> None:
    states, taught = random(2, 4, 5), random(2, 4, 5, seed=1)
    maps, seen = attention(2, 3, 4, 4), attention(2, 3, 4, 4, seed=1)
    hidden, attended = hidden_loss(states, taught, LONG), attention_loss(maps, seen, LONG)
    states[1, 2:], maps[1, :, 2:], maps[1, :, :, 2:] = 99.0, 99.0, 99.0
    assert hidden_loss(states, taught, LONG).item() == hidden.item() > 0
    assert attention_loss(maps, seen, LONG).item() == attended.item() > 0


@pytest.mark.parametrize("heads", [3, 2])
def test_attention_loss_does_not_depend_on_the_amount_of_padding(heads: int) -> None:
    student, teacher = attention(1, 3, 4, 4), attention(1, heads, 4, 4, seed=1)
    short = torch.ones(1, 4, dtype=torch.bool)
    wide = torch.nn.functional.pad(short, (0, 5))
    student_wide = torch.nn.functional.pad(student, (0, 5, 0, 5))
    teacher_wide = torch.nn.functional.pad(teacher, (0, 5, 0, 5))
    expected = attention_loss(student, teacher, short).item()
    assert expected > 0
    assert attention_loss(student_wide, teacher_wide, wide).item() == pytest.approx(expected)


def test_losses_of_half_precision_inputs_are_in_single_precision() -> None:
    logits, states, maps = random(2, 3).half(), random(2, 4, 5).half(), attention(2, 3, 4, 4).half()
    found = [
        hard_loss(logits, tensor([0, 1])),
        soft_loss(logits, -logits, 4.0),
        hidden_loss(states, -states, LONG),
        attention_loss(maps, maps.flip(0), LONG),
    ]
    assert {loss.dtype for loss in found} == {torch.float32}

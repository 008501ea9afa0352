"""Losses: cross-entropy and distillation of logits, hidden states and attention.

All are pure functions that return a scalar.
"""

import torch.nn.functional as F
from torch import Tensor

UNLABELLED = -1  # stands for the class index of a sentence without a label


def hard_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits (n, labels) with class indices (n,), mean over labelled sentences.

    Sentences whose label is `UNLABELLED` do not count; if none has a label, the loss is zero.
    """
    total = F.cross_entropy(logits.float(), labels, ignore_index=UNLABELLED, reduction="sum")
    return total / (labels != UNLABELLED).sum().clamp_min(1)


def target_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of logits (n, labels) with target probabilities (n, labels), mean over all."""
    return F.cross_entropy(logits.float(), targets)


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(teacher || student) of the two softened distributions, mean over sentences.

    Both are logits, (n, labels), and T is the `temperature` that divides them. The factor T^2 makes
    the size of the gradient independent of T: Hinton, Vinyals and Dean (2015), "Distilling the
    Knowledge in a Neural Network".
    """
    log_student = F.log_softmax(student.float() / temperature, dim=-1)
    log_teacher = F.log_softmax(teacher.float() / temperature, dim=-1)
    divergence = F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    return temperature**2 * divergence


def hidden_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of hidden states (n, tokens, width), over tokens that are no padding.

    `mask` is (n, tokens), false at padding. Jiao et al. (2020), "TinyBERT: Distilling BERT for
    Natural Language Understanding".
    """
    return (student - teacher)[mask].float().square().mean()


def attention_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Squared error of attention probabilities, summed over keys, mean over heads and queries.

    Both are (n, heads, queries, keys); `mask` is (n, tokens), false at padding. If student and
    teacher differ in their number of heads, their means over heads are compared, else head by head.
    The error is summed over keys because a row of probabilities sums to one whatever its length: a
    mean would shrink as sentences get longer.
    """
    if student.shape[1] != teacher.shape[1]:
        student, teacher = student.mean(1, keepdim=True), teacher.mean(1, keepdim=True)
    pairs = mask[:, None, :, None] & mask[:, None, None, :]  # (n, 1, tokens, tokens)
    error = (student - teacher).float().square().masked_fill(~pairs, 0.0)
    return error.sum() / (mask.sum() * student.shape[1])

"""Logits, hidden states and attentions become scalar losses; pure functions, shapes given."""

import torch.nn.functional as F
from torch import Tensor

UNLABELLED = -1  # in place of a class index


def hard_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits (n, labels) with class indices (n,), mean over labelled sentences.

    Without any it is zero.
    """
    total = F.cross_entropy(logits.float(), labels, ignore_index=UNLABELLED, reduction="sum")
    return total / (labels != UNLABELLED).sum().clamp_min(1)


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(teacher || student) of the two softened distributions, mean over sentences.

    Both (n, labels), logits. T^2 keeps the gradient's size independent of T: Hinton et al.
    (2015), "Distilling the Knowledge in a Neural Network".
    """
    log_student = F.log_softmax(student.float() / temperature, dim=-1)
    log_teacher = F.log_softmax(teacher.float() / temperature, dim=-1)
    divergence = F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    return temperature**2 * divergence


def hidden_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of hidden states (n, tokens, width) over real tokens.

    `mask` is (n, tokens), true at tokens. Jiao et al. (2020), "TinyBERT".
    """
    return (student - teacher)[mask].float().square().mean()


def attention_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Squared error of attention probabilities, summed over keys, mean over real queries.

    student (n, heads, tokens, tokens), teacher likewise with any number of heads, `mask`
    (n, tokens). Equal head counts are compared head by head, others by their mean over heads.
    The sum over keys makes the loss independent of sentence length, since a row of
    probabilities sums to one however long it is.
    """
    if student.shape[1] != teacher.shape[1]:
        student, teacher = student.mean(1, keepdim=True), teacher.mean(1, keepdim=True)
    pairs = mask[:, None, :, None] & mask[:, None, None, :]  # (n, 1, tokens, tokens)
    error = (student - teacher).float().square().masked_fill(~pairs, 0.0)
    return error.sum() / (mask.sum() * student.shape[1])

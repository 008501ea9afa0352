"""Importance scores of attention heads and FFN neurons, measured on training sentences.

* `taylor`: how much the loss would change, to first order, if a head or neuron were removed.
  Molchanov et al. (2019), "Importance Estimation for Neural Network Pruning"; for heads, Michel,
  Levy and Neubig (2019), "Are Sixteen Heads Really Better than One?"
* `entropy`: how focused a head's attention is, and the magnitude of a neuron's weights.
"""

from typing import cast

import torch
from torch import Tensor

from fincompress.compression.pruning import Importance
from fincompress.models.encoder import Encoder, Layer
from fincompress.models.tokenization import batches_by_length
from fincompress.training.batches import EncodedSentences, make_batch
from fincompress.training.device import training_device
from fincompress.training.losses import hard_loss

SCORING_BATCH = 8  # small: each batch adds an absolute value, and signs cancel within one


def taylor_importance(model: Encoder, data: EncodedSentences) -> Importance:
    """Score parts by |sum of weight * gradient| over the weights that their outputs pass through.

    The sum is that of the first-order change of the loss in a batch; scores add up over batches.
    `data` must have labels, since the loss is the cross-entropy with these.
    """
    model.to(training_device()).eval()
    heads = [torch.zeros(layer.heads) for layer in model.layout.layers]
    neurons = [torch.zeros(layer.ffn) for layer in model.layout.layers]
    for rows in batches_by_length(data.ids, SCORING_BATCH):
        batch = make_batch(data, rows)
        model.zero_grad()
        hard_loss(model(batch.ids, batch.mask), batch.labels).backward()  # type: ignore[no-untyped-call]
        for i, layer in enumerate(_layers(model)):
            by_column = _saliency(layer.attention.out.weight)  # (heads * head width,)
            heads[i] += by_column.view(-1, model.layout.head_width).sum(1).abs().cpu()
            neurons[i] += _saliency(layer.down.weight).abs().cpu()
    model.zero_grad()
    return Importance(heads, neurons)


@torch.no_grad()
def entropy_importance(model: Encoder, data: EncodedSentences) -> Importance:
    """Score heads by how focused their attention is, and neurons by the norms of their weights.

    A head's score is 1 - H / log(tokens), where H is the entropy of its attention: 0 if it attends
    evenly, 1 if to a single token; it is the mean over all tokens of `data`. A neuron's score is
    the norm of its incoming weights times that of its outgoing ones.
    """
    model.to(training_device()).eval()
    heads = [torch.zeros(layer.heads) for layer in model.layout.layers]
    tokens = sum(len(row) for row in data.ids)
    for rows in batches_by_length(data.ids, SCORING_BATCH):
        batch = make_batch(data, rows)
        for i, attention in enumerate(model.trace(batch.ids, batch.mask).attention):
            spread = -(attention * attention.clamp_min(1e-12).log()).sum(-1)  # (n, heads, tokens)
            even = batch.mask.sum(1).log()[:, None, None]  # (n, 1, 1)
            focus = (1 - spread / even).transpose(1, 2)[batch.mask]  # (tokens of all, heads)
            heads[i] += focus.sum(0).cpu() / tokens
    neurons = [
        (layer.up.weight.norm(dim=1) * layer.down.weight.norm(dim=0)).cpu()
        for layer in _layers(model)
    ]
    return Importance(heads, neurons)


IMPORTANCE_METHODS = {"taylor": taylor_importance, "entropy": entropy_importance}


def _layers(model: Encoder) -> list[Layer]:
    return cast(list[Layer], list(model.layers))


def _saliency(weight: Tensor) -> Tensor:
    """The sum of weight * gradient in each column, (columns,)."""
    assert weight.grad is not None, "needs a backward pass first"
    return (weight.detach() * weight.grad).sum(0)

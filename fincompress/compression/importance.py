"""A model and sentences become a score for each of its heads and FFN neurons: their importance.

`taylor` is the change of the loss to first order if a part were cut (Molchanov et al., 2019,
"Importance Estimation for Neural Network Pruning"; for heads, Michel et al., 2019, "Are Sixteen
Heads Really Better than One?"). `entropy` is how focused a head's attention is.
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

SCORING_BATCH = 8


def taylor_importance(model: Encoder, data: EncodedSentences) -> Importance:
    """|sum of weight times gradient| of what leaves a head or neuron, summed over small batches."""
    model.to(training_device()).eval()
    heads = [torch.zeros(layer.heads) for layer in model.layout.layers]
    neurons = [torch.zeros(layer.ffn) for layer in model.layout.layers]
    for rows in batches_by_length(data.ids, SCORING_BATCH):
        batch = make_batch(data, rows)
        model.zero_grad()
        hard_loss(model(batch.ids, batch.mask), batch.labels).backward()  # type: ignore[no-untyped-call]
        for place, layer in enumerate(_layers(model)):
            by_column = _saliency(layer.attention.out.weight)
            heads[place] += by_column.view(-1, model.layout.head_width).sum(1).abs().cpu()
            neurons[place] += _saliency(layer.down.weight).abs().cpu()
    model.zero_grad()
    return Importance(heads, neurons)


@torch.no_grad()
def entropy_importance(model: Encoder, data: EncodedSentences) -> Importance:
    """1 - entropy of a head's attention over that of even attention, mean over all tokens.

    A neuron's score is the norm of its incoming times that of its outgoing weights.
    """
    model.to(training_device()).eval()
    heads = [torch.zeros(layer.heads) for layer in model.layout.layers]
    tokens = sum(len(row) for row in data.ids)
    for rows in batches_by_length(data.ids, SCORING_BATCH):
        batch = make_batch(data, rows)
        for place, attention in enumerate(model.trace(batch.ids, batch.mask).attention):
            spread = -(attention * attention.clamp_min(1e-12).log()).sum(-1)  # (n, heads, tokens)
            even = batch.mask.sum(1).log()[:, None, None]
            focus = (1 - spread / even).transpose(1, 2)[batch.mask]  # (tokens of all, heads)
            heads[place] += focus.sum(0).cpu() / tokens
    neurons = [
        (layer.up.weight.norm(dim=1) * layer.down.weight.norm(dim=0)).cpu()
        for layer in _layers(model)
    ]
    return Importance(heads, neurons)


IMPORTANCE_METHODS = {"taylor": taylor_importance, "entropy": entropy_importance}


def _layers(model: Encoder) -> list[Layer]:
    return cast(list[Layer], list(model.layers))


def _saliency(weight: Tensor) -> Tensor:
    """The sum of weight times gradient of each column, (columns,)."""
    assert weight.grad is not None, "scored after a backward pass"
    return (weight.detach() * weight.grad).sum(0)

"""Structured pruning: choosing attention heads and FFN neurons, and cutting the others out.

The result is a smaller dense encoder; no weights are masked or set to zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fincompress.artifact import LayerLayout, Layout
from fincompress.models.encoder import Encoder


@dataclass(frozen=True)
class KeptParts:
    """The parts of one layer that stay: indices in rising order.

    `heads`: the attention heads that stay. `neurons`: the FFN neurons that stay.
    """

    heads: tuple[int, ...]
    neurons: tuple[int, ...]

    @classmethod
    def all(cls, layer: LayerLayout) -> "KeptParts":
        """Return what keeps the whole of a layer."""
        return cls(tuple(range(layer.heads)), tuple(range(layer.ffn)))

    def then(self, later: "KeptParts") -> "KeptParts":
        """Return what stays after a second cut, as indices in the layer before the first one."""
        return KeptParts(
            tuple(self.heads[i] for i in later.heads),
            tuple(self.neurons[i] for i in later.neurons),
        )


@dataclass(frozen=True)
class EncoderSize:
    """The size of an encoder in the units that pruning removes, summed over its layers.

    `heads`: attention heads. `blocks`: blocks of FFN neurons; how many neurons a block has is
    chosen by the caller.
    """

    heads: int
    blocks: int

    @classmethod
    def of(cls, layout: Layout, block: int) -> "EncoderSize":
        """Return the size of an encoder in heads and in blocks of `block` neurons."""
        layers = layout.layers
        return cls(
            sum(layer.heads for layer in layers), sum(layer.ffn // block for layer in layers)
        )

    def without(self, heads: float, blocks: float) -> "EncoderSize":
        """Return the size after removing these shares, 0 to 1, of heads and of blocks."""
        return EncoderSize(
            self.heads - round(heads * self.heads), self.blocks - round(blocks * self.blocks)
        )


def sizes_between(start: EncoderSize, end: EncoderSize, steps: int) -> list[EncoderSize]:
    """Return the sizes after each of `steps` equal steps from `start` to `end`.

    They are fewer where rounding makes a step remove nothing.
    """
    sizes = [
        EncoderSize(
            start.heads + round((end.heads - start.heads) * step / steps),
            start.blocks + round((end.blocks - start.blocks) * step / steps),
        )
        for step in range(1, steps + 1)
    ]
    return [size for size in dict.fromkeys(sizes) if size != start]


@dataclass(frozen=True)
class Importance:
    """Importance scores, one tensor for each layer; parts with high scores stay.

    `heads`: (heads,) each. `neurons`: those of FFN neurons, (ffn,) each.
    """

    heads: list[Tensor]
    neurons: list[Tensor]


def most_important(importance: Importance, size: EncoderSize, block: int) -> list[KeptParts]:
    """Return, for each layer, the heads and neurons that stay when all compete for `size` slots.

    Heads compete with the heads of all layers. Neurons are ranked within their layer and grouped by
    rank into blocks of `block`, and blocks compete by the sum of their scores, so that every FFN
    width is a multiple of `block`. Each layer keeps at least one head and one block.
    """
    ranks = [scores.argsort(descending=True) for scores in importance.neurons]
    blocks = [
        scores[rank].view(-1, block).sum(1)
        for scores, rank in zip(importance.neurons, ranks, strict=True)
    ]
    heads = _best(importance.heads, size.heads)
    widths = [len(chosen) * block for chosen in _best(blocks, size.blocks)]
    return [
        KeptParts(tuple(chosen), tuple(sorted(rank[:width].tolist())))
        for chosen, rank, width in zip(heads, ranks, widths, strict=True)
    ]


def _best(scores: Sequence[Tensor], count: int) -> list[list[int]]:
    """Return the indices of the `count` highest scores, at least one from each layer's tensor."""
    best = [int(of_layer.argmax()) for of_layer in scores]
    others = [
        (-float(score), layer, index)
        for layer, of_layer in enumerate(scores)
        for index, score in enumerate(of_layer)
        if index != best[layer]
    ]
    chosen = [[index] for index in best]
    for _, layer, index in sorted(others)[: count - len(best)]:
        chosen[layer].append(index)
    return [sorted(indices) for indices in chosen]


def prune_encoder(model: Encoder, kept: Sequence[KeptParts]) -> Encoder:
    """Return a copy of `model` with only the heads and FFN neurons in `kept`, one for each layer.

    The weights that stay are unchanged, and so are the output biases of attention and FFN.
    """
    shapes = tuple(LayerLayout(heads=len(k.heads), ffn=len(k.neurons)) for k in kept)
    with torch.device("meta"):  # neither memory nor random numbers for weights that are replaced
        smaller = Encoder(replace(model.layout, layers=shapes))
    state = {name: value.cpu().clone() for name, value in model.state_dict().items()}
    head_width = model.layout.head_width
    for layer, (shape, keep) in enumerate(zip(model.layout.layers, kept, strict=True)):
        heads = (
            torch.tensor(keep.heads)[:, None] * head_width + torch.arange(head_width)
        ).flatten()  # columns of attention's output
        inner = shape.heads * head_width
        neurons = torch.tensor(keep.neurons)
        for name, axis, indices in (
            ("attention.qkv.weight", 0, torch.cat([heads, inner + heads, 2 * inner + heads])),
            ("attention.qkv.bias", 0, torch.cat([heads, inner + heads, 2 * inner + heads])),
            ("attention.out.weight", 1, heads),
            ("up.weight", 0, neurons),
            ("up.bias", 0, neurons),
            ("down.weight", 1, neurons),
        ):
            name = f"layers.{layer}.{name}"
            state[name] = state[name].index_select(axis, indices)
    smaller.load_state_dict(state, assign=True)
    return smaller.requires_grad_().train(model.training)

"""An encoder and what to keep of it become a smaller encoder with exactly those weights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fincompress.artifact import LayerLayout, Layout
from fincompress.models.encoder import Encoder


@dataclass(frozen=True)
class KeptParts:
    """Places, in one layer, of the heads and FFN neurons that stay; in rising order."""

    heads: tuple[int, ...]
    neurons: tuple[int, ...]

    @classmethod
    def all(cls, layer: LayerLayout) -> "KeptParts":
        return cls(tuple(range(layer.heads)), tuple(range(layer.ffn)))

    def then(self, later: "KeptParts") -> "KeptParts":
        """What stays after a second cut, in places of the first one's model."""
        return KeptParts(
            tuple(self.heads[place] for place in later.heads),
            tuple(self.neurons[place] for place in later.neurons),
        )


@dataclass(frozen=True)
class EncoderSize:
    """How many heads, and blocks of so many FFN neurons, all layers have together."""

    heads: int
    blocks: int

    @classmethod
    def of(cls, layout: Layout, block: int) -> "EncoderSize":
        layers = layout.layers
        return cls(sum(s.heads for s in layers), sum(s.ffn // block for s in layers))

    def without(self, heads: float, blocks: float) -> "EncoderSize":
        """What stays when these shares of the heads and of the blocks are gone."""
        return EncoderSize(
            self.heads - round(heads * self.heads), self.blocks - round(blocks * self.blocks)
        )


def sizes_between(start: EncoderSize, end: EncoderSize, steps: int) -> list[EncoderSize]:
    """Return `steps` sizes at equal distances, the last of them `end`; fewer if some coincide."""
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
    """A score for each head and each FFN neuron, one tensor a layer; high stays."""

    heads: list[Tensor]
    neurons: list[Tensor]


def most_important(importance: Importance, size: EncoderSize, block: int) -> list[KeptParts]:
    """Return the most important heads and neurons of all layers together, `size` of them.

    Neurons stay in whole blocks of the best, the next best and so on of their layer, so that
    widths are multiples of `block`. Every layer keeps at least one head and one block.
    """
    ranks = [scores.argsort(descending=True) for scores in importance.neurons]
    blocks = [
        scores[rank].view(-1, block).sum(1)
        for scores, rank in zip(importance.neurons, ranks, strict=True)
    ]
    heads = _best(importance.heads, size.heads)
    widths = [len(chosen) * block for chosen in _best(blocks, size.blocks)]
    return [
        KeptParts(tuple(own), tuple(sorted(rank[:width].tolist())))
        for own, rank, width in zip(heads, ranks, widths, strict=True)
    ]


def _best(scores: Sequence[Tensor], count: int) -> list[list[int]]:
    """Return the places of the `count` highest scores, at least one of each tensor."""
    first = [int(own.argmax()) for own in scores]
    rest = [
        (-float(score), layer, place)
        for layer, own in enumerate(scores)
        for place, score in enumerate(own)
        if place != first[layer]
    ]
    chosen = [[place] for place in first]
    for _, layer, place in sorted(rest)[: count - len(first)]:
        chosen[layer].append(place)
    return [sorted(places) for places in chosen]


def prune_encoder(model: Encoder, kept: Sequence[KeptParts]) -> Encoder:
    """Return a copy of `model` without the heads and FFN neurons that `kept` does not name.

    The biases of the layers' outputs stay whole. Keeping all leaves every answer as it was.
    """
    shapes = tuple(LayerLayout(heads=len(k.heads), ffn=len(k.neurons)) for k in kept)
    with torch.device("meta"):  # no memory and no random numbers for weights copied next
        smaller = Encoder(replace(model.layout, layers=shapes))
    state = {name: value.cpu().clone() for name, value in model.state_dict().items()}
    head_width = model.layout.head_width
    for place, (shape, keep) in enumerate(zip(model.layout.layers, kept, strict=True)):
        heads = (
            torch.tensor(keep.heads)[:, None] * head_width + torch.arange(head_width)
        ).flatten()
        inner = shape.heads * head_width
        neurons = torch.tensor(keep.neurons)
        for name, axis, places in (
            ("attention.qkv.weight", 0, torch.cat([heads, inner + heads, 2 * inner + heads])),
            ("attention.qkv.bias", 0, torch.cat([heads, inner + heads, 2 * inner + heads])),
            ("attention.out.weight", 1, heads),
            ("up.weight", 0, neurons),
            ("up.bias", 0, neurons),
            ("down.weight", 1, neurons),
        ):
            name = f"layers.{place}.{name}"
            state[name] = state[name].index_select(axis, places)
    smaller.load_state_dict(state, assign=True)
    return smaller.requires_grad_().train(model.training)

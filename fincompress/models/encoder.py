"""The encoder: a BERT classifier whose layers may differ in attention heads and FFN neurons.

Devlin et al. (2019), "BERT: Pre-training of Deep Bidirectional Transformers for Language
Understanding". Single sentences only: the embedding of token type 0 is part of the positions.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fincompress.artifact import LayerLayout, Layout

LAYER_NORM_EPS = 1e-12
INITIAL_STD = 0.02
DROPOUT = 0.1


@dataclass(frozen=True)
class Trace:
    """The results of a forward pass, with one entry for each layer and none for the embeddings.

    `logits`: (n, labels). `hidden`: each layer's output, (n, tokens, width). `attention`: each
    layer's probabilities over keys, (n, heads, tokens, tokens).
    """

    logits: Tensor
    hidden: tuple[Tensor, ...]
    attention: tuple[Tensor, ...]


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection for queries, keys and values."""

    def __init__(self, layout: Layout, heads: int) -> None:
        super().__init__()
        self.heads, self.head_width = heads, layout.head_width
        inner = heads * layout.head_width
        self.qkv = nn.Linear(layout.width, 3 * inner)
        self.out = nn.Linear(inner, layout.width)

    def forward(
        self, x: Tensor, bias: Tensor, traced: bool, first_only: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the output, (n, tokens, width), and the probabilities over keys if `traced`.

        `x` is (n, tokens, width); `bias`, (n, 1, 1, tokens), is added to the scores. With
        `first_only` the output is that of the first token, (n, 1, width).
        """
        n, tokens, _ = x.shape
        split = self.qkv(x).view(n, tokens, 3, self.heads, self.head_width)
        q, k, v = split.permute(2, 0, 3, 1, 4)  # (n, heads, tokens, head_width) each
        if first_only:
            q = q[:, :, :1]
        probabilities = None
        if traced:
            scores = q @ k.transpose(-1, -2) / self.head_width**0.5
            probabilities = (scores + bias).softmax(-1)
            mixed = probabilities @ v
        else:
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.out(mixed.transpose(1, 2).flatten(2)), probabilities


class Layer(nn.Module):
    """Attention and feed-forward network, each followed by a residual and a normalisation."""

    def __init__(self, layout: Layout, shape: LayerLayout) -> None:
        super().__init__()
        self.attention = Attention(layout, shape.heads)
        self.attention_norm = nn.LayerNorm(layout.width, eps=LAYER_NORM_EPS)
        self.up = nn.Linear(layout.width, shape.ffn)
        self.down = nn.Linear(shape.ffn, layout.width)
        self.ffn_norm = nn.LayerNorm(layout.width, eps=LAYER_NORM_EPS)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(
        self, x: Tensor, bias: Tensor, traced: bool, first_only: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the layer's output and the probabilities, with the arguments of `Attention`."""
        mixed, probabilities = self.attention(x, bias, traced, first_only)
        if first_only:
            x = x[:, :1]
        x = self.attention_norm(x + self.dropout(mixed))
        return self.ffn_norm(x + self.dropout(self.down(F.gelu(self.up(x))))), probabilities


class Encoder(nn.Module):
    """BERT with a pooler and a linear classifier over the first token."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.words = nn.Embedding(layout.vocabulary, layout.width)
        self.positions = nn.Embedding(layout.positions, layout.width)
        self.embedding_norm = nn.LayerNorm(layout.width, eps=LAYER_NORM_EPS)
        self.layers = nn.ModuleList(Layer(layout, shape) for shape in layout.layers)
        self.pooler = nn.Linear(layout.width, layout.width)
        self.classifier = nn.Linear(layout.width, layout.labels)
        self.dropout = nn.Dropout(DROPOUT)
        self.apply(initialise)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return logits, (n, labels).

        `ids` are (n, tokens) int64; `mask` is (n, tokens) bool, true at tokens, false at padding.
        """
        return self._run(ids, mask, traced=False).logits

    def trace(self, ids: Tensor, mask: Tensor) -> Trace:
        """Return logits as `forward`, with all layers' hidden states and attention."""
        return self._run(ids, mask, traced=True)

    def _run(self, ids: Tensor, mask: Tensor, traced: bool) -> Trace:
        indices = torch.arange(ids.shape[1], device=ids.device)
        x = self.dropout(self.embedding_norm(self.words(ids) + self.positions(indices)))
        # Added to scores: with a boolean mask, engines would compute a selection in every layer.
        bias = torch.zeros_like(mask, dtype=x.dtype).masked_fill(~mask, float("-inf"))
        bias = bias[:, None, None, :]  # (n, 1, 1, tokens)
        hidden, attention = [], []
        for number, layer in enumerate(self.layers, start=1):
            # The classifier reads the first token alone, so the last layer computes no other.
            first_only = number == len(self.layers) and not traced
            x, probabilities = layer(x, bias, traced, first_only)
            if traced:
                hidden.append(x)
                attention.append(probabilities)
        # Three dimensions as in every other layer: ONNX Runtime has INT8 kernels for those.
        first = torch.tanh(self.pooler(x[:, :1]))  # (n, 1, width)
        # Indexed and not squeezed, which would be exported as an `If`.
        logits = self.classifier(self.dropout(first))[:, 0]  # (n, labels)
        return Trace(logits, tuple(hidden), tuple(attention))


def initialise(module: nn.Module) -> None:
    """Initialise a layer's parameters as BERT does: normal weights, zero biases."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INITIAL_STD)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


def parameter_count(model: nn.Module) -> int:
    """Return how many numbers the parameters of `model` hold."""
    return sum(parameter.numel() for parameter in model.parameters())

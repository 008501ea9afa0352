"""Token ids become logits: a BERT encoder whose layers each have their own heads and FFN width.

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
    """What a forward pass saw on its way; one entry a layer, embeddings excluded.

    logits: (n, labels). hidden: (n, tokens, width) each. attention: (n, heads, tokens, tokens)
    each, probabilities over keys.
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
    """Attention and feed-forward network, each with residual and normalisation after it."""

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
        """Return (n, tokens, width), or (n, 1, width) if `first_only`: of the first token."""
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
        """ids: (n, tokens) int64. mask: (n, tokens) bool, true at tokens. Returns (n, labels)."""
        return self._run(ids, mask, traced=False).logits

    def trace(self, ids: Tensor, mask: Tensor) -> Trace:
        """As `forward`, and keep every layer's hidden states and attention probabilities."""
        return self._run(ids, mask, traced=True)

    def _run(self, ids: Tensor, mask: Tensor, traced: bool) -> Trace:
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.dropout(self.embedding_norm(self.words(ids) + self.positions(places)))
        # Added to scores. By a mask, engines would select in every layer.
        bias = torch.zeros_like(mask, dtype=x.dtype).masked_fill(~mask, float("-inf"))
        bias = bias[:, None, None, :]  # (n, 1, 1, tokens)
        hidden, attention = [], []
        for place, layer in enumerate(self.layers, start=1):
            # The classifier reads the first token alone, so the last layer computes no other.
            first_only = place == len(self.layers) and not traced
            x, probabilities = layer(x, bias, traced, first_only)
            if traced:
                hidden.append(x)
                attention.append(probabilities)
        # Three dimensions as in every other layer: ONNX Runtime has INT8 kernels for those.
        first = torch.tanh(self.pooler(x[:, :1]))  # (n, 1, width)
        logits = self.classifier(self.dropout(first))[
            :, 0
        ]  # (n, labels); a squeeze exports as `If`
        return Trace(logits, tuple(hidden), tuple(attention))


def initialise(module: nn.Module) -> None:
    """BERT's own initialisation: normal weights, zero biases."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INITIAL_STD)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


def parameter_count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())

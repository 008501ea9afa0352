"""The convolutional encoder: a classifier without attention, for a small part of a BERT's time.

Word embeddings, convolutions of several widths side by side, the highest value of each filter over
the sentence, and a linear classifier: Kim (2014), "Convolutional Neural Networks for Sentence
Classification". Before them may stand convolutions with residual connections (He et al., 2016,
"Deep Residual Learning for Image Recognition"), so that a token is seen with its neighbours.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fincompress.artifact import Layout
from fincompress.models.encoder import Encoder
from fincompress.models.tokenization import PADDING

RESIDUAL_TOKENS = 3  # that a residual convolution sees at once
DROPPED = 0.1  # the share of embeddings, and of features, that dropout takes


class ConvEncoder(nn.Module):
    """Convolutions over word embeddings, max-pooling and a linear classifier.

    `layout` has the convolutions. `rows` maps each id of the tokenizer to a row of the embedding
    table, (vocabulary,) int64: pieces without an embedding of their own share the row of unknown
    words, so that the tokenizer stays that of the teacher. Row 0 is that of padding, and stays 0.
    """

    rows: Tensor

    def __init__(self, layout: Layout, rows: Tensor) -> None:
        super().__init__()
        self.layout = layout
        self.register_buffer("rows", rows)
        self.words = nn.Embedding(int(rows.max()) + 1, layout.width, padding_idx=0)
        self.residual = nn.ModuleList(
            nn.Conv1d(layout.width, layout.width, RESIDUAL_TOKENS, padding=RESIDUAL_TOKENS // 2)
            for _ in range(layout.residual_convolutions)
        )
        self.convolutions = nn.ModuleList(
            # Padded so that each window with a token in it is computed, whatever is beside it.
            nn.Conv1d(layout.width, each.filters, each.tokens, padding=each.tokens - 1)
            for each in layout.convolutions
        )
        features = sum(each.filters for each in layout.convolutions)
        self.classifier = nn.Linear(features, layout.labels)
        self.dropout = nn.Dropout(DROPPED)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return logits, (n, labels).

        `ids` are (n, tokens) int64; `mask` is (n, tokens) bool, true at tokens, false at padding.
        """
        ids = torch.where(mask, ids, PADDING)
        x = self.dropout(self.words(self.rows[ids]))  # (n, tokens, width)
        x = x.transpose(1, 2)  # (n, width, tokens)
        for convolution in self.residual:
            x = (x + F.relu(convolution(x))) * mask[:, None]  # padding stays 0
        highest, biases = list[Tensor](), list[Tensor]()
        for convolution in self.convolutions:
            highest.append(convolution(x).amax(2))  # (n, filters)
            biases.append(cast(Tensor, convolution.bias))
        # What a window of padding gives counts always: logits do not depend on the padding.
        best = torch.maximum(torch.cat(highest, 1), torch.cat(biases))  # (n, features)
        features = F.relu(best)
        logits: Tensor = self.classifier(self.dropout(features))
        return logits


TextEncoder = Encoder | ConvEncoder  # ids and mask, (n, tokens) each, to logits, (n, labels)

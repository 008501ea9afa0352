"""Hugging Face's BERT with an artifact's weights, to measure or to train, and converted back."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
from transformers.utils import logging

from fincompress.artifact import Artifact
from fincompress.config import UserError
from fincompress.models.bert_names import from_bert, modern_name, to_bert
from fincompress.models.encoder import LAYER_NORM_EPS, Encoder
from fincompress.models.storage import load_encoder
from fincompress.models.tokenization import load_tokenizer


class HuggingFace(nn.Module):
    """`BertForSequenceClassification` with the weights of a torch artifact.

    `layout` is the artifact's, `bert` the model. Raises `UserError` unless all layers have the same
    size, as Hugging Face's BERT has them.
    """

    def __init__(self, artifact: Artifact) -> None:
        super().__init__()
        self.layout = layout = artifact.manifest.layout
        shapes = set(layout.layers)
        whole = all(shape.heads * layout.head_width == layout.width for shape in shapes)
        if len(shapes) != 1 or not whole:
            raise UserError(
                "Hugging Face's BERT has layers that are all alike, of whole heads, and not "
                f"{[(layer.heads, layer.ffn) for layer in layout.layers]} of width {layout.width}"
            )
        (shape,) = shapes
        logging.set_verbosity_error()  # it would warn that there is no loss
        config = BertConfig(
            vocab_size=layout.vocabulary,
            hidden_size=layout.width,
            num_hidden_layers=len(layout.layers),
            num_attention_heads=shape.heads,
            intermediate_size=shape.ffn,
            max_position_embeddings=layout.positions,
            layer_norm_eps=LAYER_NORM_EPS,
            num_labels=layout.labels,
        )
        with torch.device("meta"):  # its initialisation would be overwritten
            self.bert = BertForSequenceClassification(config)
        self.bert = self.bert.to_empty(device="cpu").eval()
        # Buffers, which are not in the state: the indices of positions, and token type 0.
        self.bert.bert.embeddings.position_ids.copy_(torch.arange(layout.positions)[None])
        self.bert.bert.embeddings.token_type_ids.zero_()
        tensors = to_bert(load_encoder(artifact).state_dict())
        self.bert.load_state_dict({_prefixed(name): tensors[name] for name in tensors})

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return logits, (n, labels), for `ids`, (n, tokens), and `mask`, (n, tokens) bool."""
        logits: Tensor = self.bert(input_ids=ids, attention_mask=mask.long()).logits
        return logits

    def encoder(self) -> Encoder:
        """Return a copy of the weights as an `Encoder` in evaluation mode."""
        with torch.device("meta"):
            model = Encoder(self.layout)
        # Cloned, since this model may go on training.
        tensors = {modern_name(k): v.clone() for k, v in self.bert.state_dict().items()}
        model.load_state_dict(from_bert(tensors, model.state_dict()), assign=True)
        return model.eval()


def huggingface_tokenizer(artifact: Artifact) -> Any:
    """Return the artifact's tokenizer as Hugging Face's, a `PreTrainedTokenizerFast`."""
    return PreTrainedTokenizerFast(tokenizer_object=load_tokenizer(artifact))


def _prefixed(name: str) -> str:
    """Return `BertForSequenceClassification`'s name of what `BertModel` calls `name`."""
    return name if name.startswith("classifier.") else f"bert.{name}"

"""A torch artifact becomes Hugging Face's BERT with the same weights and answers, and an encoder
again."""

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification
from transformers.utils import logging

from fincompress.artifact import Artifact
from fincompress.config import UserError
from fincompress.models.encoder import LAYER_NORM_EPS, Encoder
from fincompress.models.storage import load_encoder

POSITIONS = "positions.weight"
TOKEN_TYPES = "bert.embeddings.token_type_embeddings.weight"


class HuggingFace(nn.Module):
    """`BertForSequenceClassification` with the weights of a torch artifact.

    Raises `UserError` unless its layers are all alike.
    """

    def __init__(self, artifact: Artifact) -> None:
        super().__init__()
        self.layout = layout = artifact.manifest.layout
        shape = layout.layers[0]
        if set(layout.layers) != {shape} or shape.heads * layout.head_width != layout.width:
            raise UserError(
                "Hugging Face's BERT has layers that are all alike, of whole heads, and not "
                f"{[(layer.heads, layer.ffn) for layer in layout.layers]} of width {layout.width}"
            )
        logging.set_verbosity_error()  # it wonders about losses, and there is none
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
        # Not a weight, and so not in the state: it counts the positions.
        self.bert.bert.embeddings.position_ids.copy_(torch.arange(layout.positions)[None])
        self.bert.bert.embeddings.token_type_ids.zero_()
        self.bert.load_state_dict(_their_names(load_encoder(artifact).state_dict(), layout.width))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids (n, tokens), mask (n, tokens) bool. Returns (n, labels)."""
        logits: Tensor = self.bert(input_ids=ids, attention_mask=mask.long()).logits
        return logits

    def encoder(self) -> Encoder:
        """Return a copy of the weights as our encoder, in evaluation mode."""
        with torch.device("meta"):
            model = Encoder(self.layout)
        ours = _our_names(self.bert.state_dict(), list(model.state_dict()))
        model.load_state_dict(ours, assign=True)
        return model.eval()


def _their_names(ours: dict[str, Tensor], width: int) -> dict[str, Tensor]:
    # Our positions hold the embedding of token type 0.
    theirs = {TOKEN_TYPES: torch.zeros(2, width)}
    for name, tensor in ours.items():
        places = _places(name)
        theirs |= zip(places, tensor.chunk(len(places)), strict=True)
    return theirs


def _our_names(theirs: dict[str, Tensor], names: list[str]) -> dict[str, Tensor]:
    ours = {name: torch.cat([theirs[place] for place in _places(name)]) for name in names}
    ours[POSITIONS] += theirs[TOKEN_TYPES][0]
    return ours


def _places(name: str) -> list[str]:
    """Where they keep our tensor `name`: in one of theirs, or in three, one after the other."""
    names = {
        "words": "bert.embeddings.word_embeddings",
        "positions": "bert.embeddings.position_embeddings",
        "embedding_norm": "bert.embeddings.LayerNorm",
        "pooler": "bert.pooler.dense",
        "classifier": "classifier",
        "attention.out": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "ffn_norm": "output.LayerNorm",
    }
    module, kind = name.rsplit(".", 1)
    prefix = ""
    if module.startswith("layers."):
        _, number, module = module.split(".", 2)
        prefix = f"bert.encoder.layer.{number}."
    if module == "attention.qkv":
        return [f"{prefix}attention.self.{part}.{kind}" for part in ("query", "key", "value")]
    return [f"{prefix}{names[module]}.{kind}"]

"""A torch artifact becomes Hugging Face's BERT with the same weights and the same answers."""

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification
from transformers.utils import logging

from fincompress.artifact import Artifact
from fincompress.models.encoder import LAYER_NORM_EPS
from fincompress.models.storage import load_encoder
from fincompress.runtimes import Classifier, classifier
from fincompress.runtimes.torch_eager import eager
from fincompress.spec import UserError


class HuggingFace(nn.Module):
    """`BertForSequenceClassification` with the weights of a torch artifact.

    Raises `UserError` unless its layers are all alike.
    """

    def __init__(self, artifact: Artifact) -> None:
        super().__init__()
        layout = artifact.manifest.layout
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


def load(artifact: Artifact, threads: int) -> Classifier:
    """The torch artifact in Hugging Face's BERT, in PyTorch."""
    torch.set_num_threads(threads)
    return classifier(artifact, eager(HuggingFace(artifact)), torch.get_num_threads())


def _their_names(ours: dict[str, Tensor], width: int) -> dict[str, Tensor]:
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
    # Our positions hold the embedding of token type 0.
    theirs = {"bert.embeddings.token_type_embeddings.weight": torch.zeros(2, width)}
    for name, tensor in ours.items():
        module, kind = name.rsplit(".", 1)
        prefix = ""
        if module.startswith("layers."):
            _, number, module = module.split(".", 2)
            prefix = f"bert.encoder.layer.{number}."
        if module == "attention.qkv":
            for part, rows in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                theirs[f"{prefix}attention.self.{part}.{kind}"] = rows
        else:
            theirs[f"{prefix}{names[module]}.{kind}"] = tensor
    return theirs

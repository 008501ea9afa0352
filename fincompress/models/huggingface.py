"""Hugging Face's BERT with an artifact's weights: to measure, to train, and as others load it."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
from transformers.utils import logging

from fincompress.artifact import TOKENIZER, Artifact, Layout, Manifest
from fincompress.config import UserError
from fincompress.models.bert_names import from_bert, modern_name, to_bert
from fincompress.models.encoder import LAYER_NORM_EPS, Encoder
from fincompress.models.storage import WEIGHTS, load_encoder, writing
from fincompress.models.tokenization import PADDING, load_tokenizer

# What a tokenizer of Hugging Face calls the pieces of BERT that stand for no text.
_SPECIAL = {
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def fits_bert(layout: Layout) -> bool:
    """Whether Hugging Face's BERT can have that layout: layers all alike, of whole heads."""
    shapes = set(layout.layers)
    whole = all(shape.heads * layout.head_width == layout.width for shape in shapes)
    return len(shapes) == 1 and whole


def bert_config(manifest: Manifest) -> BertConfig:
    """Return the configuration of Hugging Face's BERT for a model, with the names of its labels.

    Raises `UserError` unless it `fits_bert`.
    """
    layout = manifest.layout
    if not fits_bert(layout):
        raise UserError(
            "Hugging Face's BERT has layers that are all alike, of whole heads, and not "
            f"{[(layer.heads, layer.ffn) for layer in layout.layers]} of width {layout.width}"
        )
    return BertConfig(
        vocab_size=layout.vocabulary,
        hidden_size=layout.width,
        num_hidden_layers=len(layout.layers),
        num_attention_heads=layout.layers[0].heads,
        intermediate_size=layout.layers[0].ffn,
        max_position_embeddings=layout.positions,
        layer_norm_eps=LAYER_NORM_EPS,
        **_label_names(manifest),
    )


class HuggingFace(nn.Module):
    """`BertForSequenceClassification` with the weights of a torch artifact.

    `layout` is the artifact's, `bert` the model. Raises `UserError` unless all layers have the same
    size, as Hugging Face's BERT has them.
    """

    def __init__(self, artifact: Artifact) -> None:
        super().__init__()
        self.layout = artifact.manifest.layout
        config = bert_config(artifact.manifest)
        logging.set_verbosity_error()  # it would warn that there is no loss
        with torch.device("meta"):  # its initialisation would be overwritten
            self.bert = BertForSequenceClassification(config)
        self.bert = self.bert.to_empty(device="cpu").eval()
        # Buffers, which are not in the state: the indices of positions, and token type 0.
        self.bert.bert.embeddings.position_ids.copy_(torch.arange(self.layout.positions)[None])
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


def save_huggingface(artifact: Artifact, folder: Path) -> None:
    """Write a torch artifact into a folder as `AutoModelForSequenceClassification` loads it.

    Its tokenizer is written, too. Raises `UserError` unless the layout `fits_bert`, and `OSError`
    if the files cannot be written.
    """
    weights = HuggingFace(artifact).bert.state_dict()
    with writing(folder):
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    save_tokenizer(artifact, folder)


def save_tokenizer(artifact: Artifact, folder: Path) -> None:
    """Write the tokenizer of an artifact as `AutoTokenizer` loads it, and the model's config.

    It gives `input_ids` and `attention_mask`, and truncates, if asked to, at the model's maximum
    length. The config of a model that does not fit BERT names its labels alone. Raises `OSError` if
    the files cannot be written.
    """
    manifest, tokenizer = artifact.manifest, load_tokenizer(artifact)
    with writing(folder):
        tokenizer.save(str(folder / TOKENIZER))
    added = tokenizer.get_added_tokens_decoder().values()
    special = {token.content for token in added if token.special}
    facts = {
        "tokenizer_class": "PreTrainedTokenizerFast",  # its name in all versions of `transformers`
        "model_max_length": manifest.max_length_tokens,
        "model_input_names": ["input_ids", "attention_mask"],
        "pad_token": tokenizer.id_to_token(PADDING),
        **{name: piece for name, piece in _SPECIAL.items() if piece in special},
    }
    _write_json(folder / "tokenizer_config.json", facts)
    config = _label_names(manifest)
    if fits_bert(manifest.layout):
        bert = bert_config(manifest)
        bert.architectures = [BertForSequenceClassification.__name__]
        config = bert.to_diff_dict()
    _write_json(folder / "config.json", config)


def _label_names(manifest: Manifest) -> dict[str, dict[Any, Any]]:
    names = manifest.labels
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: place for place, name in enumerate(names)},
    }


def _write_json(file: Path, facts: dict[str, Any]) -> None:
    file.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _prefixed(name: str) -> str:
    """Return `BertForSequenceClassification`'s name of what `BertModel` calls `name`."""
    return name if name.startswith("classifier.") else f"bert.{name}"

"""BERT's parameter names: one map between a checkpoint's tensors and the parameters of `Encoder`.

A checkpoint has one tensor each for queries, keys and values, and an embedding of token types.
`Encoder` has one projection for all three, and, as it reads single sentences, adds the embedding
of token type 0 to every position.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

POSITIONS = "positions.weight"
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"
ATTENTION_PARTS = ("query", "key", "value")

_MODULES = {
    "words": "embeddings.word_embeddings",
    "positions": "embeddings.position_embeddings",
    "embedding_norm": "embeddings.LayerNorm",
    "pooler": "pooler.dense",
    "classifier": "classifier",
}
_LAYER_MODULES = {
    "attention.out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "ffn_norm": "output.LayerNorm",
}


def bert_names(parameter: str) -> list[str]:
    """Return the names of the tensors that, one after the other, are a `parameter` of `Encoder`.

    They have no prefix `bert.`, as in `modern_name`.
    """
    module, kind = parameter.rsplit(".", 1)
    if not module.startswith("layers."):
        return [f"{_MODULES[module]}.{kind}"]
    _, index, module = module.split(".", 2)
    layer = f"encoder.layer.{index}"
    if module == "attention.qkv":
        return [f"{layer}.attention.self.{part}.{kind}" for part in ATTENTION_PARTS]
    return [f"{layer}.{_LAYER_MODULES[module]}.{kind}"]


def modern_name(name: str) -> str:
    """Return a checkpoint's tensor name without `bert.`, its LayerNorms with weight and bias.

    Checkpoints converted from TensorFlow call these two gamma and beta.
    """
    name = name.removeprefix("bert.")
    name = name.replace("LayerNorm.gamma", "LayerNorm.weight")
    return name.replace("LayerNorm.beta", "LayerNorm.bias")


def to_bert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a BERT with the weights of an encoder's `state_dict`, by `bert_names`.

    Both token types are zero, since the positions have that of type 0 already.
    """
    tensors = {TOKEN_TYPES: torch.zeros(2, state[POSITIONS].shape[1])}  # (types, width)
    for parameter, tensor in state.items():
        names = bert_names(parameter)
        tensors |= zip(names, tensor.chunk(len(names)), strict=True)
    return tensors


def from_bert(tensors: Mapping[str, Tensor], parameters: Iterable[str]) -> dict[str, Tensor]:
    """Return the `parameters` of an `Encoder` from the `tensors` of a BERT, by `modern_name`.

    A parameter whose one tensor is missing is left out, as a checkpoint without a classifier has
    it. Raises `KeyError`, with its name, for a missing part of a fused parameter. What is returned
    may share memory with `tensors`.
    """
    state = {}
    for parameter in parameters:
        names = bert_names(parameter)
        if parameter == POSITIONS:
            state[parameter] = tensors[names[0]] + tensors[TOKEN_TYPES][0]  # (positions, width)
        elif len(names) > 1:
            state[parameter] = torch.cat([tensors[name] for name in names])
        elif names[0] in tensors:
            state[parameter] = tensors[names[0]]
    return state

"""Our models become what people run without this project: the peers that they are measured with.

The same weights in Hugging Face's BERT: in PyTorch, which is the published recipe; in ONNX Runtime
with dynamic INT8, which is what most people do; and in OpenVINO, FP32.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification
from transformers.utils import logging

from fincompress.artifact import Artifact
from fincompress.evaluation.resident import HUGGING_FACE, Subject
from fincompress.export import dynamic_quantizer, onnx_writer, openvino_writer, save_graph
from fincompress.models.encoder import LAYER_NORM_EPS
from fincompress.models.storage import Identity, load_encoder
from fincompress.runtimes import Classifier, classifier
from fincompress.spec import UserError

PUBLISHED = "teacher@huggingface_padded"


def peers(teacher: Artifact, name: str, student: Artifact, scratch: Path) -> list[Subject]:
    """Return the teacher, padded, in PyTorch, and the student `name` in two other engines.

    Artifacts of the student are written into `scratch`. Raises `UserError` for models whose
    layers differ from one another, which Hugging Face's BERT cannot hold.
    """
    model, identity = HuggingFace(student), Identity.of(student)
    exported = save_graph(
        scratch / "plain", onnx_writer(model), student, identity, "onnx_runtime", model=model
    )
    # Weights of 8 bits, whatever the CPU, as the library has it by default.
    dynamic = save_graph(
        scratch / "dynamic", dynamic_quantizer(exported, reduce_range=False),
        student, identity, "onnx_runtime",
    )  # fmt: skip
    openvino = save_graph(
        scratch / "openvino", openvino_writer(model), student, identity, "openvino_runtime",
        model=model,
    )  # fmt: skip
    return [
        Subject(PUBLISHED, None, HUGGING_FACE, teacher, "maximum"),
        Subject(f"{name}@ort_dynamic_int8", None, "onnx_runtime", dynamic, "longest"),
        Subject(f"{name}@openvino_fp32", None, "openvino_runtime", openvino, "longest"),
    ]


class HuggingFace(nn.Module):
    """`BertForSequenceClassification` with the weights of a torch artifact.

    Raises `UserError` unless its layers are all alike.
    """

    def __init__(self, artifact: Artifact) -> None:
        super().__init__()
        layout = artifact.manifest.layout
        shape = layout.layers[0]
        if set(layout.layers) != {shape} or shape.heads * layout.head_width != layout.width:
            raise UserError(f"{artifact.path}: Hugging Face's BERT has layers that are all alike")
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
    model = HuggingFace(artifact)
    torch.set_num_threads(threads)

    def infer(ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        with torch.inference_mode():
            answer: NDArray[np.float32] = model(
                torch.from_numpy(ids), torch.from_numpy(mask)
            ).numpy()
        return answer

    return classifier(artifact, infer, torch.get_num_threads())


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

"""Peers: the same weights, run as people run them without this project.

In Hugging Face's BERT: in PyTorch, as in the published study; in ONNX Runtime with dynamic INT8,
the most common compression; and in OpenVINO, FP32. They are measured and never promoted.
"""

from pathlib import Path

from fincompress.artifact import Artifact
from fincompress.benchmark.process import HUGGING_FACE, Subject
from fincompress.evaluation.results import PUBLISHED_PEER
from fincompress.export import dynamic_quantizer, onnx_writer, openvino_writer, save_graph
from fincompress.models.huggingface import HuggingFace
from fincompress.models.storage import Identity


def export_peers(teacher: Artifact, student: Artifact, name: str, scratch: Path) -> list[Subject]:
    """Return the peers: the teacher in PyTorch, padded, and the student in two other engines.

    `name` is the student's variant; its exported artifacts are written into `scratch`. Raises
    `UserError` for a model whose layers differ, which Hugging Face's BERT cannot hold.
    """
    model, identity = HuggingFace(student), Identity.of(student)
    exported = save_graph(
        scratch / "plain", onnx_writer(model), student, identity, "onnx_runtime", model=model
    )
    # The library's default: weights of 8 bits, whatever the CPU.
    dynamic = save_graph(
        scratch / "dynamic",
        dynamic_quantizer(exported, reduce_range=False),
        student,
        identity,
        "onnx_runtime",
    )
    openvino = save_graph(
        scratch / "openvino",
        openvino_writer(model),
        student,
        identity,
        "openvino_runtime",
        model=model,
    )
    return [
        Subject(PUBLISHED_PEER, None, HUGGING_FACE, teacher, "maximum"),
        Subject(f"{name}@ort_dynamic_int8", None, "onnx_runtime", dynamic, "longest"),
        Subject(f"{name}@openvino_fp32", None, "openvino_runtime", openvino, "longest"),
    ]

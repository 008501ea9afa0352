"""Our models become what people run without this project: the peers that they are measured with.

The same weights in Hugging Face's BERT: in PyTorch, which is the published recipe; in ONNX Runtime
with dynamic INT8, which is what most people do; and in OpenVINO, FP32.
"""

from pathlib import Path

from fincompress.artifact import Artifact
from fincompress.benchmark.process import HUGGING_FACE, Subject
from fincompress.evaluation.results import PUBLISHED_PEER
from fincompress.export import dynamic_quantizer, onnx_writer, openvino_writer, save_graph
from fincompress.models.huggingface import HuggingFace
from fincompress.models.storage import Identity


def peers(teacher: Artifact, student: Artifact, name: str, scratch: Path) -> list[Subject]:
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
        Subject(PUBLISHED_PEER, None, HUGGING_FACE, teacher, "maximum"),
        Subject(f"{name}@ort_dynamic_int8", None, "onnx_runtime", dynamic, "longest"),
        Subject(f"{name}@openvino_fp32", None, "openvino_runtime", openvino, "longest"),
    ]

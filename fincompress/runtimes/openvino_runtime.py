"""OpenVINO on the CPU: runs OpenVINO's own artifacts, and ONNX ones."""

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from fincompress.artifact import Artifact, Products
from fincompress.config import UserError
from fincompress.runtimes import EXACT, Classifier, Infer, classifier

FORMAT = "openvino"
MODEL = "model.xml"
FILES = {FORMAT: MODEL, "onnx": "model.onnx"}  # by the formats that it reads
REQUIREMENTS = ("openvino",)
INT8 = ("i8", "u8")


def load(artifact: Artifact, threads: int, precision: str = EXACT) -> Classifier:
    """Load for `threads`; what is not INT8 is computed in `precision`, `f32` or `bf16`."""
    alone = _compile(artifact, threads, precision)
    used = alone.get_property("INFERENCE_NUM_THREADS")

    def open_streams() -> Sequence[Infer]:
        shared = _compile(artifact, used, precision, streams=used)
        return [_infer(shared) for _ in range(used)]

    return classifier(
        artifact, _infer(alone), used, engine="openvino_runtime", open_streams=open_streams,
        precision=alone.get_property("INFERENCE_PRECISION_HINT").to_string(),
    )  # fmt: skip


def has_bf16() -> bool:
    """Whether the CPU has instructions for bf16 that OpenVINO uses."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def count_products(artifact: Artifact) -> Products:
    """Count the fully connected layers of the graph as it is compiled for this machine."""
    operations = _compile(artifact, 1, EXACT).get_runtime_model().get_ops()
    facts = [operation.get_rt_info() for operation in operations]
    precisions = [
        fact["runtimePrecision"].astype(str)
        for fact in facts
        if fact["layerType"].astype(str) == "FullyConnected"
    ]
    return Products(int8=sum(p in INT8 for p in precisions), total=len(precisions))


def _infer(compiled: Any) -> Infer:
    request, lock = compiled.create_infer_request(), Lock()

    def infer(ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        with lock:  # a server asks from several threads, and a request serves one
            answer: NDArray[np.float32] = request.infer({"ids": ids, "mask": mask})["logits"]
        return answer

    return infer


def _compile(artifact: Artifact, threads: int, precision: str, streams: int = 1) -> Any:
    if artifact.manifest.format not in FILES:
        raise UserError(
            f"{artifact.path}: format must be {' or '.join(map(repr, FILES))}, not "
            f"'{artifact.manifest.format}'"
        )
    core = openvino.Core()
    model = core.read_model(artifact.path / FILES[artifact.manifest.format])
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
        "NUM_STREAMS": streams,
        # By default it computes in bf16 wherever the CPU can, faster or not.
        "INFERENCE_PRECISION_HINT": precision,
    }
    return core.compile_model(model, "CPU", settings)

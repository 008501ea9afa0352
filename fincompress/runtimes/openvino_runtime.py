"""An OpenVINO artifact becomes a classifier in OpenVINO, on the CPU."""

from threading import Lock
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from fincompress.artifact import Artifact, Products
from fincompress.runtimes import Classifier, Infer, classifier

FORMAT = "openvino"
MODEL = "model.xml"
REQUIREMENTS = ("openvino",)
INT8 = ("i8", "u8")


def load(artifact: Artifact, threads: int) -> Classifier:
    alone = _compile(artifact, threads)
    used = alone.get_property("INFERENCE_NUM_THREADS")
    shared = _compile(artifact, used, streams=used) if used > 1 else alone
    streams = [_infer(shared) for _ in range(used)]
    precision = alone.get_property("INFERENCE_PRECISION_HINT").to_string()
    return classifier(artifact, _infer(alone), used, streams=streams, precision=precision)


def count_products(artifact: Artifact) -> Products:
    """Count the fully connected layers of the graph as it is compiled for this machine."""
    operations = _compile(artifact, 1).get_runtime_model().get_ops()
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


def _compile(artifact: Artifact, threads: int, streams: int = 1) -> Any:
    artifact.require_format(FORMAT)
    core = openvino.Core()
    model = core.read_model(artifact.path / MODEL)
    quantized = any(op.get_type_name() == "FakeQuantize" for op in model.get_ops())
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
        "NUM_STREAMS": streams,
        # By default it computes in bf16 wherever the CPU can. What INT8 leaves of a graph may:
        # its activations are rounded more coarsely anyway. What is FP32 stays FP32.
        "INFERENCE_PRECISION_HINT": _fastest_float(core) if quantized else "f32",
    }
    return core.compile_model(model, "CPU", settings)


def _fastest_float(core: Any) -> str:
    able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in able else "f32"

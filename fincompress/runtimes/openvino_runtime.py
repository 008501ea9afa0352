"""An OpenVINO artifact becomes a classifier in OpenVINO, on the CPU."""

from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from fincompress.artifact import Artifact, Products
from fincompress.runtimes import Classifier, classifier

FORMAT = "openvino"
MODEL = "model.xml"
REQUIREMENTS = ("openvino",)
INT8 = ("i8", "u8")


def load(artifact: Artifact, threads: int) -> Classifier:
    compiled = _compile(artifact, threads)
    request = compiled.create_infer_request()

    def infer(ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        answer: NDArray[np.float32] = request.infer({"ids": ids, "mask": mask})["logits"]
        return answer

    return classifier(artifact, infer, compiled.get_property("INFERENCE_NUM_THREADS"))


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


def _compile(artifact: Artifact, threads: int) -> Any:
    artifact.require_format(FORMAT)
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        # By default it computes in bf16 wherever the CPU can, whatever the file says.
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    return openvino.Core().compile_model(str(artifact.path / MODEL), "CPU", settings)

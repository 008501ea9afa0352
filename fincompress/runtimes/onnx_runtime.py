"""ONNX Runtime: runs ONNX artifacts, FP32 and INT8."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fincompress.artifact import Artifact, Products
from fincompress.runtimes import Classifier, Infer, classifier

FORMAT = "onnx"
MODEL = "model.onnx"
REQUIREMENTS = ("onnxruntime",)
INT8_PRODUCTS = {
    "DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat", "QGemm", "QLinearMatMul",
}  # fmt: skip
OTHER_PRODUCTS = {"FusedGemm", "FusedMatMul", "Gemm", "MatMul"}
ERRORS_ONLY = 3


def load(artifact: Artifact, threads: int) -> Classifier:
    alone = _session(artifact, threads)
    used = alone.get_session_options().intra_op_num_threads

    def open_streams() -> Sequence[Infer]:
        # A session may run in several threads at once, each call in the thread that makes it.
        return [_infer(_session(artifact, 1))] * used

    return classifier(
        artifact, _infer(alone), used, engine="onnx_runtime", open_streams=open_streams
    )


def _infer(session: onnxruntime.InferenceSession) -> Infer:
    def infer(ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        answer: NDArray[np.float32] = session.run(None, {"ids": ids, "mask": mask})[0]
        return answer

    return infer


def count_products(artifact: Artifact) -> Products:
    """Count in the graph as ONNX Runtime optimizes it for this machine."""
    import onnx  # which a served model does without

    with tempfile.TemporaryDirectory(prefix="fincompress-") as folder:
        optimized = Path(folder) / MODEL
        _session(artifact, 1, optimized)
        graph = onnx.load(optimized).graph
    weights = {constant.name for constant in graph.initializer}
    kinds = [node.op_type for node in graph.node if weights & set(node.input)]
    int8 = sum(kind in INT8_PRODUCTS for kind in kinds)
    return Products(int8=int8, total=int8 + sum(kind in OTHER_PRODUCTS for kind in kinds))


def _session(
    artifact: Artifact, threads: int, optimized: Path | None = None
) -> onnxruntime.InferenceSession:
    artifact.require_format(FORMAT)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    # Threads that spin between operators are faster, and after a call would take a core from
    # whatever else runs.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(
        str(artifact.path / MODEL), options, providers=["CPUExecutionProvider"]
    )

"""ONNX Runtime: runs ONNX artifacts, FP32 and INT8."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fincompress.artifact import Artifact, Products
from fincompress.runtimes import FP32, Classifier, Infer, build_classifier

FORMAT = "onnx"
MODEL = "model.onnx"
REQUIREMENTS = ("onnxruntime",)
# Operators of a graph that ONNX Runtime has optimized, by what they multiply in.
INT8_OPERATORS = {
    "DynamicQuantizeMatMul",
    "MatMulInteger",
    "MatMulIntegerToFloat",
    "QGemm",
    "QLinearMatMul",
}
FLOAT_OPERATORS = {"FusedGemm", "FusedMatMul", "Gemm", "MatMul"}
LOG_ERRORS_ONLY = 3


def load(artifact: Artifact, threads: int) -> Classifier:
    """Load for `threads` CPU threads; raise `UserError` for another format than ONNX."""
    session = _open_session(artifact, threads)
    used = session.get_session_options().intra_op_num_threads

    def open_streams() -> Sequence[Infer]:
        # One session can run in several threads at once, each call in the thread that makes it.
        return [_infer(_open_session(artifact, 1))] * used

    return build_classifier(
        artifact, _infer(session), used, engine="onnx_runtime", open_streams=open_streams
    )


def precisions() -> tuple[str, ...]:
    """Return FP32: what is not INT8 is computed in it on every CPU."""
    return (FP32,)


def count_products(artifact: Artifact) -> Products:
    """Count products with weights in the graph as ONNX Runtime optimizes it for this CPU."""
    import onnx  # which a served model does not need

    with tempfile.TemporaryDirectory(prefix="fincompress-") as folder:
        optimized = Path(folder) / MODEL
        _open_session(artifact, 1, optimized)
        graph = onnx.load(optimized).graph
    weights = {constant.name for constant in graph.initializer}
    operators = [node.op_type for node in graph.node if weights & set(node.input)]
    int8 = sum(operator in INT8_OPERATORS for operator in operators)
    floats = sum(operator in FLOAT_OPERATORS for operator in operators)
    return Products(int8=int8, total=int8 + floats)


def _infer(session: onnxruntime.InferenceSession) -> Infer:
    def infer(ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = session.run(None, {"ids": ids, "mask": mask})[0]
        return logits  # (n, labels)

    return infer


def _open_session(
    artifact: Artifact, threads: int, optimized: Path | None = None
) -> onnxruntime.InferenceSession:
    """Open a session; write the graph as it is optimized for this CPU to `optimized`."""
    artifact.require_format(FORMAT)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = LOG_ERRORS_ONLY
    # Threads that spin between operators are faster, but those that go on spinning after a call
    # would take a core from whatever else runs.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(
        str(artifact.path / MODEL), options, providers=["CPUExecutionProvider"]
    )

"""OpenVINO: runs OpenVINO and ONNX artifacts, FP32, bf16 where the CPU has it, and INT8."""

from collections.abc import Sequence
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from fincompress.artifact import Artifact, Products
from fincompress.config import UserError
from fincompress.models.tokenization import PADDING
from fincompress.runtimes import FP32, Classifier, Infer, build_classifier

FORMAT = "openvino"
MODEL = "model.xml"
FILES = {FORMAT: MODEL, "onnx": "model.onnx"}  # by the formats that it reads
REQUIREMENTS = ("openvino",)
BF16 = "bf16"
INT8_TYPES = ("i8", "u8")
# OpenVINO prepares kernels for each shape that it meets, which takes as long as a call or two.
# Sentences are padded to a multiple of so many tokens, so that it meets few shapes.
TOKENS_STEP = 8

_first_call = Lock()


def load(artifact: Artifact, threads: int, precision: str = FP32) -> Classifier:
    """Load for `threads` CPU threads, to compute in `precision` what is not INT8.

    Raises `UserError` for a format that OpenVINO does not read here.
    """
    compiled = _compile(artifact, threads, precision)
    used = compiled.get_property("INFERENCE_NUM_THREADS")
    longest = artifact.manifest.max_length_tokens
    infer = _infer(compiled, longest)
    # The first calls of a process, if two threads make them at once, can wait for each other for
    # ever: one holds Python's lock, the other that of what OpenVINO's bindings set up only then.
    with _first_call:
        infer(np.full((1, 1), PADDING, dtype=np.int64), np.ones((1, 1), dtype=bool))

    def open_streams() -> Sequence[Infer]:
        shared = _compile(artifact, used, precision, streams=used)
        return [_infer(shared, longest) for _ in range(used)]

    return build_classifier(
        artifact,
        infer,
        used,
        engine="openvino_runtime",
        precision=compiled.get_property("INFERENCE_PRECISION_HINT").to_string(),
        open_streams=open_streams,
    )


@cache
def core() -> Any:
    """Return the process's one `openvino.Core`, which is never let go.

    The thread that loads the CPU plug-in gets a signal stack from it, which goes with the plug-in:
    unloaded by another thread, it would leave a process that dies of the next signal.
    """
    return openvino.Core()


def precisions() -> tuple[str, ...]:
    """Return FP32, and bf16 if the CPU has instructions for it that OpenVINO uses."""
    capabilities = core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return (FP32, BF16) if "BF16" in capabilities else (FP32,)


def count_products(artifact: Artifact) -> Products:
    """Count the fully connected layers of the graph as OpenVINO compiles it for this CPU."""
    operations = _compile(artifact, 1, FP32).get_runtime_model().get_ops()
    facts = [operation.get_rt_info() for operation in operations]
    types = [
        fact["runtimePrecision"].astype(str)
        for fact in facts
        if fact["layerType"].astype(str) == "FullyConnected"
    ]
    return Products(int8=sum(kind in INT8_TYPES for kind in types), total=len(types))


def _infer(compiled: Any, longest: int) -> Infer:
    request, lock = compiled.create_infer_request(), Lock()

    def infer(ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        tokens = ids.shape[1]
        more = min(-tokens % TOKENS_STEP, max(0, longest - tokens))
        if more:
            ids = np.pad(ids, ((0, 0), (0, more)), constant_values=PADDING)
            mask = np.pad(mask, ((0, 0), (0, more)))
        with lock:  # a server calls from several threads, and a request serves one at a time
            logits: NDArray[np.float32] = request.infer({"ids": ids, "mask": mask})["logits"]
        return logits  # (n, labels)

    return infer


def _compile(artifact: Artifact, threads: int, precision: str, streams: int = 1) -> Any:
    if artifact.manifest.format not in FILES:
        raise UserError(
            f"{artifact.path}: format must be {' or '.join(map(repr, FILES))}, not "
            f"'{artifact.manifest.format}'"
        )
    model = core().read_model(artifact.path / FILES[artifact.manifest.format])
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
        "NUM_STREAMS": streams,
        # The default is bf16 wherever the CPU has it, whether it is faster or not.
        "INFERENCE_PRECISION_HINT": precision,
    }
    return core().compile_model(model, "CPU", settings)

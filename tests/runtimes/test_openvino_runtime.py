"""OpenVINO in a process that signals reach, and the shapes that it is given."""

import subprocess
import sys
from typing import Any

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray

from fincompress.artifact import Artifact
from fincompress.runtimes import openvino_runtime

# A graph of one operation is enough for the plug-in to be loaded, and unloaded with it.
UNLOADED_BY_ANOTHER_THREAD = """
import os, signal, threading
import numpy as np, openvino
from openvino import opset13
from fincompress.runtimes.openvino_runtime import core

numbers = opset13.parameter([1, 8], np.float32)
model = openvino.Model([opset13.relu(numbers)], [numbers])
compiled = [core().compile_model(model, "CPU")]
thread = threading.Thread(target=compiled.clear)
thread.start()
thread.join()
signal.signal(signal.SIGTERM, lambda number, frame: print("handled"))
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_signal_is_handled_after_another_thread_lets_a_model_go() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNLOADED_BY_ANOTHER_THREAD], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


class Compiled:
    """A model that adds up its ids, and the shapes that its requests have met."""

    def __init__(self) -> None:
        self.met: list[tuple[int, ...]] = []

    def create_infer_request(self) -> "Compiled":
        return self

    def infer(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        ids, mask = inputs["ids"], inputs["mask"]
        assert ids.shape == mask.shape and ids.dtype == np.int64 and mask.dtype == bool
        self.met.append(ids.shape)
        return {"logits": (ids * mask).sum(axis=1, keepdims=True).astype(np.float32)}

    def get_property(self, name: str) -> Any:
        return 2 if name == "INFERENCE_NUM_THREADS" else openvino.Type.f32


def test_it_meets_few_lengths_and_none_beyond_the_longest() -> None:
    compiled = Compiled()
    infer = openvino_runtime._infer(compiled, longest=20)
    for tokens in (1, 8, 9, 18, 20, 21):
        ids = np.ones((2, tokens), dtype=np.int64)
        assert infer(ids, np.ones((2, tokens), dtype=bool)).tolist() == [[tokens], [tokens]]
    assert compiled.met == [(2, 8), (2, 8), (2, 16), (2, 20), (2, 20), (2, 21)]


def test_the_first_call_is_made_before_there_are_streams(
    base: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two first calls at once, in two streams, hung one process in four."""
    compiled = Compiled()
    monkeypatch.setattr(openvino_runtime, "_compile", lambda *_, **__: compiled)
    classifier = openvino_runtime.load(base, 2)
    assert compiled.met == [(1, 8)]
    assert len(classifier.streams) == 2

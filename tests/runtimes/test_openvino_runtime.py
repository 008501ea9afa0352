"""OpenVINO in a process that signals reach, and the shapes that it is given."""

import subprocess
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def test_it_meets_few_lengths_and_none_beyond_the_longest() -> None:
    met: list[tuple[int, ...]] = []

    class Request:
        def infer(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
            ids, mask = inputs["ids"], inputs["mask"]
            assert ids.shape == mask.shape and mask.dtype == bool
            met.append(ids.shape)
            return {"logits": (ids * mask).sum(axis=1, keepdims=True).astype(np.float32)}

    class Compiled:
        def create_infer_request(self) -> Request:
            return Request()

    infer = openvino_runtime._infer(Compiled(), longest=20)
    for tokens in (1, 8, 9, 18, 20, 21):
        ids = np.ones((2, tokens), dtype=np.int64)
        assert infer(ids, np.ones((2, tokens), dtype=bool)).tolist() == [[tokens], [tokens]]
    assert met == [(2, 8), (2, 8), (2, 16), (2, 20), (2, 20), (2, 21)]

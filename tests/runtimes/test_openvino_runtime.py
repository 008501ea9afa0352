"""OpenVINO in a process that signals reach."""

import subprocess
import sys

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

"""The measured process: loads one model, answers and times calls to it, and sleeps in between.

`MeasuredProcess` starts this module as a program and talks to it through a pipe. The program
imports only what its model needs, so that the memory of the process is the memory that serving the
model takes.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fincompress.artifact import Artifact, read_artifact
from fincompress.config import UserError
from fincompress.machine.console import configure_output
from fincompress.models.tokenization import encode, pad
from fincompress.runtimes import Classifier, Predictor, load_runtime

HUGGING_FACE = "huggingface"  # a runtime for peers: measured, never shipped


@dataclass(frozen=True)
class Subject:
    """What is measured: an artifact on a runtime, or the floor, which has no artifact.

    `variant`: the name under which it is measured. `version`: its number in the registry, None if
    it has none. `runtime`: the runtime that loads it; for the floor, the library that runs it.
    `artifact`: the model; None for the floor. `batching`: how the texts of a call are batched:
    `sorted` as `Classifier` does it, in small batches of similar length; otherwise all in one
    batch, padded to the `longest` text or to the model's `maximum` length.
    """

    variant: str
    version: int | None
    runtime: str
    artifact: Artifact | None
    batching: Literal["sorted", "longest", "maximum"] = "sorted"


@dataclass(frozen=True)
class ColdStart:
    """The time to a first answer, and the engine that gave it.

    `milliseconds`: from loading the model to the first answer, with all libraries imported.
    `engine`: the subject's runtime, or the engine that `auto` chose. `precision`: what the engine
    computes in where it does not compute in INT8.
    """

    milliseconds: float
    engine: str
    precision: str


class MeasuredProcess:
    """The process of one subject, seen from the process that measures.

    Every method raises `UserError` if the process fails or dies.
    """

    def __init__(self, subject: Subject, threads: int, train: Any = None) -> None:
        """Start the process, and do not wait for it.

        `threads` limits the tokenizer and every engine. `train` has the texts and the labels that
        the floor is fitted to. Raises `UserError` on Windows.
        """
        self.subject, self.train = subject, train
        if sys.platform == "win32":
            raise UserError(
                "benchmark: a model is measured in a process that inherits a pipe, which works on "
                "Linux and macOS only; on Windows, run this in WSL"
            )
        self.pipe, other = Pipe()
        limits = {"RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(other.fileno())],
            pass_fds=[other.fileno()],
            start_new_session=True,  # Ctrl-C reaches the parent only, which ends this process
            env=os.environ | limits | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        other.close()  # so that `recv` notices when the process has ended

    def prepare(self) -> None:
        """Import the libraries that the subject needs."""
        self._request((self.subject, self.train))

    def start(self, threads: int, text: str) -> ColdStart:
        """Load the model for `threads` threads, replacing the loaded one, and answer `text`.

        The tokenizer keeps the number of threads that the process was started with.
        """
        return ColdStart(*self._request(("start", threads, text)))

    def run(self, batches: Sequence[Sequence[str]]) -> tuple[list[float], NDArray[np.float32]]:
        """Return the seconds that each batch took, and the logits of all texts, (n, labels)."""
        seconds, logits = self._request(("run", batches))
        return seconds, logits

    def forward(self, batches: Sequence[Sequence[str]]) -> list[float]:
        """Return the seconds of each batch's forward pass alone, padded to the maximum length."""
        seconds: list[float] = self._request(("forward", batches))
        return seconds

    def peak_memory_mb(self) -> float:
        """Return the peak resident memory so far, in 10^6 bytes, with Python and libraries."""
        return float(self._request(("memory",)))

    def stop(self) -> None:
        """Kill the process. May be called more than once."""
        self.process.kill()
        self.process.wait()
        self.pipe.close()

    def _request(self, message: Any) -> Any:
        try:
            self.pipe.send(message)
            answer = self.pipe.recv()
        except (EOFError, ConnectionError):
            code = self.process.wait()
            raise UserError(
                f"benchmark: the process that measured {self.subject.variant} died "
                f"(exit code {code})"
            ) from None
        if isinstance(answer, str):
            raise UserError(f"benchmark: {self.subject.variant}: {answer}")
        return answer


def serve(pipe: Connection) -> None:
    """Answer the requests of a `MeasuredProcess` until the other end of `pipe` is closed.

    An exception is answered by its text.
    """
    with suppress(EOFError, ConnectionError):
        subject, train = pipe.recv()
        server: _Server | None = None
        while True:
            try:
                if server is None:
                    server = _Server(subject, train)
                    pipe.send(None)
                method, *arguments = pipe.recv()
                pipe.send(getattr(server, method)(*arguments))
            except (EOFError, ConnectionError):
                raise
            except Exception as error:
                pipe.send(f"{type(error).__name__}: {error}")


class _Server:
    """The process's side: its methods answer the requests of `MeasuredProcess` by name."""

    def __init__(self, subject: Subject, train: Any) -> None:
        self.subject, self.train = subject, train
        self.classifier: Classifier | None = None
        # Importing a library is not part of the cold start.
        if subject.artifact is None:
            import sklearn  # noqa: F401
        elif subject.runtime == HUGGING_FACE:
            from fincompress.benchmark import huggingface  # noqa: F401
        else:
            load_runtime(subject.runtime)

    def start(self, threads: int, text: str) -> tuple[float, str, str]:
        began = time.perf_counter()
        self.predictor = self._load(threads)
        self.predictor([text])
        milliseconds = 1e3 * (time.perf_counter() - began)
        if self.classifier is None:
            return milliseconds, self.subject.runtime, "f64"
        return milliseconds, self.classifier.engine, self.classifier.precision

    def run(self, batches: Sequence[Sequence[str]]) -> tuple[list[float], NDArray[np.float32]]:
        seconds, logits = [], []
        for batch in batches:
            began = time.perf_counter()
            logits.append(self.predictor(batch))
            seconds.append(time.perf_counter() - began)
        return seconds, np.concatenate(logits)  # (n, labels)

    def forward(self, batches: Sequence[Sequence[str]]) -> list[float]:
        assert self.classifier is not None and self.subject.artifact is not None
        tokens = self.subject.artifact.manifest.max_length_tokens
        seconds = []
        for batch in batches:
            arrays = pad(encode(self.classifier.tokenizer, batch), tokens)
            began = time.perf_counter()
            self.classifier.infer(*arrays)
            seconds.append(time.perf_counter() - began)
        return seconds

    def memory(self) -> float:
        status = Path("/proc/self/status")
        if status.exists():  # `ru_maxrss` would include what the parent held when it forked
            lines = dict(
                line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines()
            )
            return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
        import resource  # not available on Windows, where nothing is measured

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS

    def _load(self, threads: int) -> Predictor:
        if self.subject.artifact is None:
            from fincompress.benchmark.tfidf import fit_floor

            return fit_floor(*self.train)
        artifact = read_artifact(self.subject.artifact.path)
        if self.subject.runtime == HUGGING_FACE:
            from fincompress.benchmark.huggingface import load_huggingface

            self.classifier = load_huggingface(artifact, threads)
        else:
            self.classifier = load_runtime(self.subject.runtime).load(artifact, threads)
        if self.subject.batching == "sorted":
            return self.classifier
        maximum = artifact.manifest.max_length_tokens
        return one_batch_predictor(
            self.classifier, maximum if self.subject.batching == "maximum" else None
        )


def one_batch_predictor(classifier: Classifier, tokens: int | None) -> Predictor:
    """Return a predictor that puts all texts of a call into one batch.

    It pads them to `tokens`, or, with None, to the longest of them.
    """

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        return classifier.infer(*pad(encode(classifier.tokenizer, texts), tokens))  # (n, labels)

    return predict


if __name__ == "__main__":
    # Imported under its package name, so that pickle finds the classes that come through the pipe.
    from fincompress.benchmark import process

    configure_output()
    process.serve(Connection(int(sys.argv[1])))

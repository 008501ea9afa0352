"""A model becomes a process that answers and times itself, and rests while nobody asks.

Run as a program it imports nothing but what the model needs, so that its memory is the model's.
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

HUGGING_FACE = "huggingface"  # a runtime that is measured and never shipped
Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Subject:
    """What is measured: an artifact on a runtime, or (no artifact) the floor.

    `batching` is how its texts reach the engine: as `Classifier` does it, or as most people do
    it, in one call for all that are given, padded to the longest of them or to the maximum length.
    """

    variant: str
    version: int | None
    runtime: str
    artifact: Artifact | None
    batching: Literal["sorted", "longest", "maximum"] = "sorted"


@dataclass(frozen=True)
class Start:
    """What it cost to have the first answer, libraries being imported, and what computed it.

    `engine` is the subject's runtime, or the one that `auto` took; `precision` what it computes in.
    """

    milliseconds: float
    engine: str
    precision: str


class MeasuredProcess:
    """The process of one subject, as seen from the one that measures."""

    def __init__(self, subject: Subject, threads: int, train: Any = None) -> None:
        self.subject, self.train = subject, train
        if sys.platform == "win32":
            raise UserError(
                "benchmark: a model is measured in a process that gets a pipe from this one, as "
                "Linux and macOS do it; on Windows, run this in WSL"
            )
        self.pipe, other = Pipe()
        # Tokenizers and every engine get the same number of threads.
        limits = {"RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(other.fileno())],
            pass_fds=[other.fileno()],
            start_new_session=True,  # Ctrl-C is for the parent, which ends this process
            env=os.environ | limits | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        other.close()  # so that its end is seen here

    def prepare(self) -> None:
        """Import what the subject needs."""
        self._ask((self.subject, self.train))

    def start(self, threads: int, text: str) -> Start:
        """Load for `threads`, in place of what was loaded before, and answer `text`.

        The tokenizer keeps the threads that the process began with.
        """
        return Start(*self._ask(("start", threads, text)))

    def run(self, batches: Sequence[Sequence[str]]) -> tuple[list[float], Logits]:
        """Return the seconds that each batch took, and the logits of all texts, (n, labels)."""
        seconds, logits = self._ask(("run", batches))
        return seconds, logits

    def forward(self, batches: Sequence[Sequence[str]]) -> list[float]:
        """Return the seconds of each forward pass over texts that were padded to the maximum."""
        seconds: list[float] = self._ask(("forward", batches))
        return seconds

    def peak_memory_mb(self) -> float:
        """10^6 bytes: the most that the process has held so far, Python and libraries included."""
        return float(self._ask(("memory",)))

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.pipe.close()

    def _ask(self, what: Any) -> Any:
        """Raise `UserError` if the process fails or dies."""
        try:
            self.pipe.send(what)
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


def main(pipe: Connection) -> None:
    """Answer what is asked until nobody is there any more."""
    with suppress(EOFError, ConnectionError):
        subject, train = pipe.recv()
        server: _Server | None = None
        while True:
            try:
                if server is None:
                    server = _Server(subject, train)
                    pipe.send(None)
                verb, *arguments = pipe.recv()
                pipe.send(getattr(server, verb)(*arguments))
            except (EOFError, ConnectionError):
                raise
            except Exception as error:
                pipe.send(f"{type(error).__name__}: {error}")


class _Server:
    """What `MeasuredProcess` asks, by the names of the verbs."""

    def __init__(self, subject: Subject, train: Any) -> None:
        self.subject, self.train = subject, train
        self.classifier: Classifier | None = None
        if subject.artifact is None:
            import sklearn  # noqa: F401  (a library that is imported is no part of a start)
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

    def run(self, batches: Sequence[Sequence[str]]) -> tuple[list[float], Logits]:
        seconds, answers = [], []
        for batch in batches:
            began = time.perf_counter()
            answers.append(self.predictor(batch))
            seconds.append(time.perf_counter() - began)
        return seconds, np.concatenate(answers)

    def forward(self, batches: Sequence[Sequence[str]]) -> list[float]:
        assert self.classifier is not None and self.subject.artifact is not None
        longest = self.subject.artifact.manifest.max_length_tokens
        seconds = []
        for batch in batches:
            arrays = pad(encode(self.classifier.tokenizer, batch), longest)
            began = time.perf_counter()
            self.classifier.infer(*arrays)
            seconds.append(time.perf_counter() - began)
        return seconds

    def memory(self) -> float:
        status = Path("/proc/self/status")
        if status.exists():  # ru_maxrss would count what the parent held when it forked
            lines = dict(
                line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines()
            )
            return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
        import resource  # which Windows has not, nor what is measured there

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS

    def _load(self, threads: int) -> Predictor:
        if self.subject.artifact is None:
            from fincompress.benchmark.tfidf import fit_floor

            return fit_floor(*self.train)
        artifact = read_artifact(self.subject.artifact.path)
        if self.subject.runtime == HUGGING_FACE:
            from fincompress.benchmark import huggingface

            self.classifier = huggingface.load(artifact, threads)
        else:
            self.classifier = load_runtime(self.subject.runtime).load(artifact, threads)
        if self.subject.batching == "sorted":
            return self.classifier
        longest = artifact.manifest.max_length_tokens
        return at_once(self.classifier, longest if self.subject.batching == "maximum" else None)


def at_once(classifier: Classifier, tokens: int | None) -> Predictor:
    """All texts of a call in one batch, padded to `tokens` or to the longest of them."""

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        return classifier.infer(*pad(encode(classifier.tokenizer, texts), tokens))

    return predict


if __name__ == "__main__":
    # As a module of its package, so that what is sent through the pipe is known by one name.
    from fincompress.benchmark import process

    configure_output()
    process.main(Connection(int(sys.argv[1])))

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
from tokenizers import Tokenizer

from fincompress.artifact import Artifact, folder_mb, read_artifact
from fincompress.config import UserError
from fincompress.machine.console import configure_output
from fincompress.machine.memory import peak_memory_mb
from fincompress.models.tokenization import encode, load_tokenizer, pad
from fincompress.runtimes import (
    FP32,
    Classifier,
    Predictor,
    cascade,
    load_engine,
    load_runtime,
)

# Runtimes of peers: measured, never shipped.
HUGGING_FACE, TORCH_COMPILE, MODEL2VEC = "huggingface", "torch_compile", "model2vec"


@dataclass(frozen=True)
class Subject:
    """What is measured: an artifact on a runtime, static embeddings, or the floor.

    `variant`: the name under which it is measured. `version`: its number in the registry, None if
    it has none. `runtime`: the runtime that loads it; for what is no artifact, the library that
    runs it. `artifact`: the model; None for static embeddings and the floor. `batching`: how the
    texts of a call are batched: `sorted` as `Classifier` does it, in small batches of similar
    length; otherwise all in one batch, padded to the `longest` text or to the model's `maximum`
    length. `precision`: what the runtime computes in where it does not compute in INT8; `auto`
    chooses its own. `folder`: the files of static embeddings; None for all others. `scored`: false
    for a model of random weights beside trained ones, which is timed alone.
    """

    variant: str
    version: int | None
    runtime: str
    artifact: Artifact | None
    batching: Literal["sorted", "longest", "maximum"] = "sorted"
    precision: str = FP32
    folder: Path | None = None
    scored: bool = True

    @property
    def is_floor(self) -> bool:
        """Whether it is the floor, which its process fits to the training sentences."""
        return self.artifact is None and self.folder is None

    @property
    def other_threads(self) -> bool:
        """Whether it is timed with other numbers of threads, too. Peers, in one batch, are not."""
        return self.artifact is not None and self.batching == "sorted"

    @property
    def padded(self) -> bool:
        """Whether it is timed by the padded protocol, too.

        Of the peers in PyTorch, which are slow, only those that pad all texts are. A cascade is
        not, as a text may take one forward pass or two.
        """
        slow = self.runtime in (HUGGING_FACE, TORCH_COMPILE) and self.batching != "maximum"
        one_pass = self.artifact is not None and self.artifact.manifest.format != cascade.FORMAT
        return one_pass and not slow

    @property
    def size_mb(self) -> float | None:
        """The size of all files that are deployed, in MB of 10^6 bytes; None for the floor."""
        if self.artifact is not None:
            return self.artifact.size_mb
        if self.folder is None:
            return None
        return folder_mb(self.folder)


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

    def begin(self) -> None:
        """Tell the process its subject, whose libraries it then imports, and do not wait."""
        with suppress(ConnectionError):  # of one that has died, as `prepare` will say
            self.pipe.send((self.subject, self.train))

    def prepare(self) -> None:
        """Wait until the process has imported the libraries that its subject needs."""
        self._receive()

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

    def hands_over(self, texts: Sequence[str]) -> list[bool]:
        """Return which texts a cascade hands to its second model, (n,); [] for another model."""
        unsure: list[bool] = self._request(("hands_over", texts))
        return unsure

    def peak_memory_mb(self) -> float:
        """Return the peak resident memory so far, in 10^6 bytes, with Python and libraries."""
        return float(self._request(("memory",)))

    def stop(self) -> None:
        """Kill the process. May be called more than once."""
        self.process.kill()
        self.process.wait()
        self.pipe.close()

    def _request(self, message: Any) -> Any:
        with suppress(ConnectionError):
            self.pipe.send(message)
        return self._receive()

    def _receive(self) -> Any:
        try:
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

    An exception is answered by its text. One in the import of the subject's libraries is the end.
    """
    with suppress(EOFError, ConnectionError):
        subject, train = pipe.recv()
        try:
            server = _Server(subject, train)
        except Exception as error:
            pipe.send(_described(error))
            return
        pipe.send(None)
        while True:
            method, *arguments = pipe.recv()
            try:
                answer = getattr(server, method)(*arguments)
            except Exception as error:
                answer = _described(error)
            pipe.send(answer)


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


class _Server:
    """The process's side: its methods answer the requests of `MeasuredProcess` by name."""

    def __init__(self, subject: Subject, train: Any) -> None:
        self.subject, self.train = subject, train
        self.classifier: Classifier | None = None
        # Importing a library is not part of the cold start.
        if subject.is_floor:
            import sklearn  # noqa: F401
        elif subject.runtime == MODEL2VEC:
            from fincompress.benchmark import static_classifier  # noqa: F401
        elif subject.runtime in (HUGGING_FACE, TORCH_COMPILE):
            from fincompress.benchmark import huggingface  # noqa: F401
        else:
            load_runtime(subject.runtime)

    def start(self, threads: int, text: str) -> tuple[float, str, str]:
        began = time.perf_counter()
        self.predictor = self._load(threads)
        self.predictor([text])
        milliseconds = 1e3 * (time.perf_counter() - began)
        if self.classifier is None:
            return milliseconds, self.subject.runtime, self.subject.precision
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
            arrays = pad(self.classifier.encode(batch), tokens)
            began = time.perf_counter()
            self.classifier.infer(*arrays)
            seconds.append(time.perf_counter() - began)
        return seconds

    def hands_over(self, texts: Sequence[str]) -> list[bool]:
        if not isinstance(self.predictor, cascade.Cascade):
            return []
        return [bool(unsure) for unsure in self.predictor.hands_over(texts)]

    def memory(self) -> float:
        return peak_memory_mb() or 0.0  # on Windows, where nothing is measured

    def _load(self, threads: int) -> Predictor:
        subject = self.subject
        if subject.folder is not None:
            from fincompress.benchmark.static_classifier import load_static_classifier

            return load_static_classifier(subject.folder)
        if subject.artifact is None:
            from fincompress.benchmark.tfidf import fit_floor

            return fit_floor(*self.train)
        artifact = read_artifact(subject.artifact.path)
        if subject.runtime == HUGGING_FACE:
            from fincompress.benchmark.huggingface import load_huggingface

            self.classifier = load_huggingface(artifact, threads, subject.precision)
        elif subject.runtime == TORCH_COMPILE:
            from fincompress.benchmark.huggingface import load_compiled

            self.classifier = load_compiled(artifact, threads)
        else:
            self.classifier = load_engine(subject.runtime, subject.precision, artifact, threads)
        if subject.batching == "sorted":
            return self.classifier
        maximum = artifact.manifest.max_length_tokens
        return one_batch_predictor(
            self.classifier,
            load_tokenizer(artifact),
            maximum if subject.batching == "maximum" else None,
        )


def one_batch_predictor(
    classifier: Classifier, tokenizer: Tokenizer, tokens: int | None
) -> Predictor:
    """Return a predictor that puts all texts of a call into one batch.

    It encodes them by Hugging Face's `tokenizer`, as other people do, and pads them to `tokens`,
    or, with None, to the longest of them.
    """

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        return classifier.infer(*pad(encode(tokenizer, texts), tokens))  # (n, labels)

    return predict


if __name__ == "__main__":
    # Imported under its package name, so that pickle finds the classes that come through the pipe.
    from fincompress.benchmark import process

    configure_output()
    process.serve(Connection(int(sys.argv[1])))

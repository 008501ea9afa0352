"""A name becomes a runtime. Each module here is one: adding a file adds a runtime.

A runtime is a module with

* `FORMAT`: the format of the artifacts it runs;
* `REQUIREMENTS`: the packages that it needs beyond those that every served model needs;
* `load(artifact, threads) -> Classifier`;
* `count_products(artifact) -> Products`: what its compiled graph runs in INT8.
"""

import importlib
import pkgutil
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from fincompress.artifact import Artifact, Products
from fincompress.models.text import batches_by_tokens, encode, load_tokenizer, pad
from fincompress.spec import UserError, nearest

AUTO = "auto"
BATCH_TOKENS = 128  # padding included: more costs more padding than it saves (LOG.md)

# Token ids, int64, and mask, bool, both (n, tokens), become logits, float32 (n, labels).
Infer = Callable[[NDArray[np.int64], NDArray[np.bool_]], NDArray[np.float32]]


class Predictor(Protocol):
    """Raw texts become logits, float32 (n, labels), in the order of the texts."""

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Classifier:
    """A loaded model: a `Predictor`.

    `infer` computes with all `threads`, which is what its engine says that it uses: that is the
    fastest for a few texts. Each of `streams` computes with one thread, beside the others: that is
    the fastest for many, which go through them in small batches of like length. `precision` is
    what is computed in.
    """

    infer: Infer
    streams: tuple[Infer, ...]
    tokenizer: Tokenizer
    labels: int
    threads: int
    precision: str

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        ids = encode(self.tokenizer, texts)
        logits = np.empty((len(ids), self.labels), dtype=np.float32)
        batches = deque(batches_by_tokens(ids, BATCH_TOKENS, at_least=len(self.streams)))

        def work(infer: Infer) -> None:
            while batches:
                try:
                    rows = batches.popleft()
                except IndexError:  # another stream was faster
                    return
                logits[rows] = infer(*pad([ids[row] for row in rows]))

        if len(self.streams) < 2 or len(batches) < len(self.streams):
            work(self.infer)
        else:
            list(self._pool.map(work, self.streams))
        return logits

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(len(self.streams), thread_name_prefix="stream")


class Runtime(Protocol):
    """The shape of a runtime module."""

    FORMAT: str
    REQUIREMENTS: tuple[str, ...]

    def load(self, artifact: Artifact, threads: int) -> Classifier:
        """Load for `threads` CPU threads; raise `UserError` for a format it cannot run."""
        ...

    def count_products(self, artifact: Artifact) -> Products: ...


def runtime_names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_runtime(name: str) -> Runtime:
    """Return the runtime of that name; raise `UserError` if there is none."""
    known = runtime_names()
    if name not in known:
        raise UserError(f"runtime: unknown runtime '{name}'; {nearest(name, [*known, AUTO])}")
    return cast(Runtime, importlib.import_module(f"{__name__}.{name}"))


def fastest_int8_runtime(instruction_sets: Collection[str]) -> str:
    """What `auto` means: the runtime whose INT8 kernels are the fastest on such a CPU.

    OpenVINO's want VNNI or AMX; without them they are slower than its FP32 ones, and those of
    ONNX Runtime are not (figures in LOG.md).
    """
    native = ("avx512_vnni", "avx_vnni", "amx_int8")
    return "openvino_runtime" if set(native) & set(instruction_sets) else "onnx_runtime"


def classifier(
    artifact: Artifact,
    infer: Infer,
    threads: int,
    *,
    streams: Sequence[Infer] = (),
    precision: str = "f32",
) -> Classifier:
    labels, tokenizer = artifact.manifest.layout.labels, load_tokenizer(artifact)
    return Classifier(infer, tuple(streams), tokenizer, labels, threads, precision)

"""Runtimes: what runs an artifact on this CPU. Each module here is one, found by its name.

A runtime is a module with

* `FORMAT`: the format of the artifacts that are written for it;
* `REQUIREMENTS`: the packages that it needs beyond those that every served model needs;
* `load(artifact, threads) -> Classifier`;
* `count_products(artifact) -> Products`: what its compiled graph runs in INT8 on this CPU;
* if it has several ways to run an artifact, as `auto` has: `ranking(artifact, threads)`, all that
  are right, the best first; and `set_aside(artifact, threads, refused) -> bool`, which never takes
  the way of the classifier `refused` again, and says whether one is left.
"""

import importlib
import pkgutil
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from fincompress.artifact import Artifact, Products
from fincompress.config import UserError, nearest
from fincompress.models.tokenization import batches_by_tokens, encode, load_tokenizer, pad

BATCH_TOKENS = 128  # padding included: more costs more padding than it saves (LOG.md)

CACHE = "FINCOMPRESS_CACHE_DIR"  # the variable that names the folder of what was measured
EXACT = "f32"  # the precision that every engine has

# Token ids, int64, and mask, bool, both (n, tokens), become logits, float32 (n, labels).
Infer = Callable[[NDArray[np.int64], NDArray[np.bool_]], NDArray[np.float32]]


class Predictor(Protocol):
    """Raw texts become logits, float32 (n, labels), in the order of the texts."""

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Classifier:
    """A loaded model: a `Predictor`.

    `infer` computes with all `threads`, which is what its engine says that it uses: that is the
    fastest for one text. A call of several goes in small batches of like length through streams,
    each of which computes with one thread beside the others. `open_streams` makes as many as there
    are threads; that may compile the model once more, so the first such call does it. None means
    that the engine has no streams. `engine` is the name of the runtime whose engine computes,
    `precision` what it computes in where it does not compute in INT8.
    """

    infer: Infer
    open_streams: Callable[[], Sequence[Infer]] | None
    tokenizer: Tokenizer
    labels: int
    threads: int
    engine: str
    precision: str
    _opening: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        ids = encode(self.tokenizer, texts, self.threads)
        logits = np.empty((len(ids), self.labels), dtype=np.float32)
        parallel = self.threads if self.open_streams else 1
        batches = deque(batches_by_tokens(ids, BATCH_TOKENS, at_least=parallel))

        def work(infer: Infer) -> None:
            while batches:
                try:
                    rows = batches.popleft()
                except IndexError:  # another stream was faster
                    return
                logits[rows] = infer(*pad([ids[row] for row in rows]))

        if parallel == 1 or len(batches) <= 1:
            work(self.infer)
        else:
            streams = self.streams[: len(batches)]
            with self._opening:
                pool = self._pool
            list(pool.map(work, streams))
        return logits

    @property
    def way(self) -> str:
        """Engine and precision, as they are shown: `onnx_runtime`, `openvino_runtime bf16`."""
        return self.engine if self.precision == EXACT else f"{self.engine} {self.precision}"

    @property
    def streams(self) -> Sequence[Infer]:
        """What a call of several texts goes through, made when the first such call comes."""
        with self._opening:  # a server may get two such calls at once
            return self._opened

    @cached_property
    def _opened(self) -> Sequence[Infer]:
        return self.open_streams() if self.open_streams else ()

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, thread_name_prefix="stream")


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
        raise UserError(f"runtime: unknown runtime '{name}'; {nearest(name, known)}")
    return cast(Runtime, importlib.import_module(f"{__name__}.{name}"))


def engine_of(name: str, artifact: Artifact, threads: int) -> str:
    """Return the runtime whose engine the runtime `name` takes for `artifact` on this CPU."""
    ranking = getattr(load_runtime(name), "ranking", None)
    return str(ranking(artifact, threads)[0].engine) if ranking else name


def load_accepted(
    name: str, artifact: Artifact, threads: int, judge: Callable[[Classifier], str]
) -> Classifier:
    """Load `artifact` on the runtime `name` as `judge` accepts it, whose answer is '' or what is
    wrong.

    A runtime with several ways is asked for the next one. Raises `UserError` with all that was
    wrong if it has no other.
    """
    runtime, wrong = load_runtime(name), list[str]()
    while True:
        loaded = runtime.load(artifact, threads)
        if not (why := judge(loaded)):
            return loaded
        wrong.append(f"{loaded.way}: {why}")
        set_aside = getattr(runtime, "set_aside", None)
        if set_aside is None or not set_aside(artifact, threads, loaded):
            raise UserError("; ".join(wrong))
        print(f"{wrong[-1]}; the next engine is tried", file=sys.stderr, flush=True)


def classifier(
    artifact: Artifact,
    infer: Infer,
    threads: int,
    *,
    engine: str,
    precision: str = EXACT,
    open_streams: Callable[[], Sequence[Infer]] | None = None,
) -> Classifier:
    """Return `artifact` as a classifier, with its own tokenizer and labels."""
    labels, tokenizer = artifact.manifest.layout.labels, load_tokenizer(artifact)
    return Classifier(infer, open_streams, tokenizer, labels, threads, engine, precision)

"""Runtimes: load an artifact into an engine that computes on this CPU. One module each.

A runtime is a module of this folder, found by its name; `Runtime` is its protocol. `auto` is a
runtime that chooses among the others; it has no `precisions`, and two more functions:

* `rank_engines(artifact, threads)`: the engines that it can use, the best first, each with the
  attributes `engine` and `precision`;
* `refuse_engine(artifact, classifier)`: never use the engine of that classifier for it again.
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

from fincompress.artifact import Artifact, Products
from fincompress.config import UserError, nearest
from fincompress.models.tokenization import TokenEncoder, batches_by_tokens, load_token_encoder, pad

# Tokens in a batch, padding included: larger batches pad more, and keep their engine busier. `auto`
# measures which of these is best for a model, an engine and this CPU; other runtimes use the first.
BATCH_SIZES = (128, 256, 512, 1024)
FP32 = "f32"  # the precision that every engine has

# Token ids, int64, and mask, bool, both (n, tokens), to logits, float32 (n, labels).
Infer = Callable[[NDArray[np.int64], NDArray[np.bool_]], NDArray[np.float32]]


class Predictor(Protocol):
    """A function from raw texts to logits, float32 (n, labels), in the order of the texts."""

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


class LoadedPredictor(Predictor, Protocol):
    """A predictor that a runtime has loaded, which tells of all its texts since then."""

    @property
    def way(self) -> str:
        """Engine and precision as shown: `onnx_runtime`, `openvino_runtime bf16`."""
        ...

    @property
    def texts_cut(self) -> int:
        """How many of them were longer than the model reads, and were cut off there."""
        ...

    @property
    def texts_handed_over(self) -> int:
        """How many of them a cascade handed to its second model; 0 for other models."""
        ...

    @property
    def normal_share(self) -> float | None:
        """The share of texts that a cascade hands over of text like its own; None for others."""
        ...


@dataclass(frozen=True)
class Classifier:
    """A loaded model, and a `Predictor`.

    A call with one text computes in `infer`, with all threads, which is fastest for one text. A
    call with several goes in small batches of similar length through streams, which run side by
    side with one thread each.

    `infer`: computes one batch with all threads. `open_streams`: opens as many streams as there are
    threads; called by the first call with several batches, as it may compile the model once more;
    None if the engine has no streams. `encode`: the model's tokenizer. `labels`: their number.
    `threads`: as many as the engine reports that it uses. `engine`: the runtime whose engine
    computes. `precision`: what it computes in where it does not compute in INT8. `batch_tokens`:
    tokens in a batch, padding included.
    """

    infer: Infer
    open_streams: Callable[[], Sequence[Infer]] | None
    encode: TokenEncoder
    labels: int
    threads: int
    engine: str
    precision: str
    batch_tokens: int = BATCH_SIZES[0]
    _opening: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        ids = self.encode(texts)
        logits = np.empty((len(ids), self.labels), dtype=np.float32)
        parallel = self.threads if self.open_streams else 1
        batches = deque(batches_by_tokens(ids, self.batch_tokens, at_least=parallel))

        def work(infer: Infer) -> None:
            while batches:
                try:
                    rows = batches.popleft()
                except IndexError:  # another stream has taken the last one
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
    def texts_cut(self) -> int:
        return self.encode.cut

    @property
    def texts_handed_over(self) -> int:
        return 0

    @property
    def normal_share(self) -> float | None:
        return None

    @property
    def way(self) -> str:
        """Engine and precision as shown: `onnx_runtime`, `openvino_runtime bf16`.

        `tracking/served_model_process.py` reads this attribute from versions of any age.
        """
        return engine_label(self.engine, self.precision)

    @property
    def streams(self) -> Sequence[Infer]:
        """The streams, opened by the first call that needs them."""
        with self._opening:  # a server may get two such calls at once
            return self._opened

    @cached_property
    def _opened(self) -> Sequence[Infer]:
        return self.open_streams() if self.open_streams else ()

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, thread_name_prefix="stream")


class Runtime(Protocol):
    """The protocol of a runtime module.

    `FORMAT`: the format of the artifacts that are exported for it. `REQUIREMENTS`: the packages
    that it needs beyond those that every served model needs.
    """

    FORMAT: str
    REQUIREMENTS: tuple[str, ...]

    def load(self, artifact: Artifact, threads: int, precision: str = FP32) -> Classifier:
        """Load for `threads` CPU threads; raise `UserError` for a format that it cannot run.

        `precision` is one of `precisions()`; a runtime that has only FP32 need not take it.
        """
        ...

    def precisions(self) -> tuple[str, ...]:
        """Return what it can compute in on this CPU where it does not compute in INT8.

        FP32 comes first.
        """
        ...

    def count_products(self, artifact: Artifact) -> Products:
        """Count the matrix products of the graph as it is compiled for this CPU."""
        ...


def runtime_names() -> list[str]:
    """Return the names of all runtimes, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_runtime(name: str) -> Runtime:
    """Return the runtime of that name; raise `UserError` if there is none."""
    known = runtime_names()
    if name not in known:
        raise UserError(f"runtime: unknown runtime '{name}'; {nearest(name, known)}")
    return cast(Runtime, importlib.import_module(f"{__name__}.{name}"))


def load_engine(engine: str, precision: str, artifact: Artifact, threads: int) -> Classifier:
    """Load `artifact` on the runtime `engine`, to compute in `precision` what is not INT8."""
    runtime = load_runtime(engine)
    if precision == FP32:
        return runtime.load(artifact, threads)
    return runtime.load(artifact, threads, precision)


def engine_label(engine: str, precision: str) -> str:
    """Return engine and precision as shown; FP32 is not mentioned."""
    return engine if precision == FP32 else f"{engine} {precision}"


def choose_engine(name: str, artifact: Artifact, threads: int) -> str:
    """Return the runtime whose engine computes when the runtime `name` loads `artifact` here.

    Raises `UserError` if it has to choose and no engine answers right.
    """
    return _candidates(name, artifact, threads)[0][0]


def load_accepted(
    name: str, artifact: Artifact, threads: int, judge: Callable[[Classifier], str]
) -> Classifier:
    """Load `artifact` on the runtime `name`, in the first of its engines that `judge` accepts.

    `judge` returns what is wrong with the answers of a classifier, or ''. An engine that it does
    not accept is never used for this artifact on this CPU again. Raises `UserError`, with all that
    is wrong, if it accepts none.
    """
    refuse_engine = getattr(load_runtime(name), "refuse_engine", None)
    candidates, wrong = _candidates(name, artifact, threads), list[str]()
    for tried, (engine, precision) in enumerate(candidates, start=1):
        classifier = load_engine(engine, precision, artifact, threads)
        if not (why := judge(classifier)):
            return classifier
        wrong.append(f"{classifier.way}: {why}")
        if refuse_engine is not None:
            refuse_engine(artifact, classifier)
        if tried < len(candidates):
            print(f"{wrong[-1]}; trying the next engine", file=sys.stderr, flush=True)
    raise UserError("; ".join(wrong))


def build_classifier(
    artifact: Artifact,
    infer: Infer,
    threads: int,
    *,
    engine: str,
    precision: str = FP32,
    open_streams: Callable[[], Sequence[Infer]] | None = None,
) -> Classifier:
    """Return a classifier with the tokenizer and the labels of `artifact`.

    The other arguments are those of `Classifier`.
    """
    labels, encode = artifact.manifest.layout.labels, load_token_encoder(artifact, threads)
    return Classifier(infer, open_streams, encode, labels, threads, engine, precision)


def _candidates(name: str, artifact: Artifact, threads: int) -> list[tuple[str, str]]:
    """Engine and precision of each engine that the runtime can use, the best first."""
    rank_engines = getattr(load_runtime(name), "rank_engines", None)
    if rank_engines is None:
        return [(name, FP32)]
    return [(timing.engine, timing.precision) for timing in rank_engines(artifact, threads)]

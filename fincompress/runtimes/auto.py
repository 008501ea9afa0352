"""`auto`: runs an ONNX artifact in the fastest engine for this CPU among those that answer right.

An engine answers right if it agrees with PyTorch on the artifact's probe (`models/probe.py`). Which
engine is the fastest is measured when the artifact is first loaded on a machine, for calls with one
text, with a few and with many, and remembered in a file; and so is how large its batches should be.
So one graph, and one version in the registry, serves every CPU; no engine is the fastest on all of
them (figures in LOG.md).
"""

import hashlib
import json
import logging
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from statistics import median

from fincompress.artifact import Artifact, Products
from fincompress.config import UserError
from fincompress.machine.cache import cache_folders, write_whole
from fincompress.machine.cpu import cpu_flags, cpu_model, usable_cores
from fincompress.models.probe import Probe, largest_change, read_probe
from fincompress.runtimes import (
    BATCH_SIZES,
    FP32,
    Classifier,
    engine_label,
    load_engine,
    load_runtime,
)

FORMAT, MODEL = "onnx", "model.onnx"
REQUIREMENTS = ("onnxruntime", "openvino")
_CACHE = "engines"  # the folder for what was measured
ENGINES = ("onnx_runtime", "openvino_runtime")  # the runtimes that read ONNX
MAX_PROBE_CHANGE = 0.15  # of a probability; INT8 kernels round by a few hundredths
# A precision below FP32 is used only if it is as right as FP32 in the same engine, within this
# change of a probability, and takes at most this share of the time: faster beyond doubt.
MAX_PRECISION_CHANGE, MAX_SHARE_OF_COST = 0.02, 0.95
TURNS = 5
FEW = 8  # texts in a call between one text and all of the probe's
# Batches are as small as they can be without taking more than this share longer, as small ones
# spread evenly over threads; so much time is spent on a pass over the probe's sentences, repeated.
BATCH_TURNS, LARGER_IS_FASTER, PASS_MS, MAX_REPEATS = 3, 0.03, 100.0, 16

log = logging.getLogger(__name__)
_Key = tuple[str, str]  # engine and precision
_refused: dict[str, set[_Key]] = {}  # by graph and CPU, for machines where no file can be written


@dataclass(frozen=True)
class EngineTiming:
    """How fast an engine runs an artifact on this CPU.

    `engine`: the name of its runtime. `precision`: what it computes in where it does not compute
    in INT8. `one_ms`, `few_ms`, `many_ms`: median time of a call with one text, with `FEW`, and
    with many, in ms.
    `batch_tokens`: tokens in a batch, padding included; measured for the fastest engine alone.
    """

    engine: str
    precision: str
    one_ms: float
    few_ms: float
    many_ms: float
    batch_tokens: int

    @property
    def cost(self) -> float:
        """What engines are ranked by, in ms: the three kinds of calls count alike."""
        return math.cbrt(self.one_ms * self.few_ms * self.many_ms)

    @property
    def label(self) -> str:
        """Engine and precision, as `Classifier.way` has them."""
        return engine_label(self.engine, self.precision)

    def __str__(self) -> str:
        return (
            f"{self.label} {self.one_ms:.2f} ms for one text, {self.few_ms:.1f} for {FEW}, "
            f"{self.many_ms:.1f} for many, batches of {self.batch_tokens} tokens"
        )


@dataclass
class _TakenMs:
    """The times of an engine's calls with one text, with `FEW` and with many, in ms."""

    one: list[float] = field(default_factory=list)
    few: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)


def load(artifact: Artifact, threads: int) -> Classifier:
    """Load in the fastest engine; the first time on a machine takes a second or two longer.

    Raises `UserError` if no engine answers right.
    """
    best = rank_engines(artifact, threads)[0]
    classifier = load_engine(best.engine, best.precision, artifact, threads)
    return replace(classifier, batch_tokens=best.batch_tokens)


def count_products(artifact: Artifact) -> Products:
    """Count in the engine that `load` uses with all cores."""
    return load_runtime(rank_engines(artifact, usable_cores())[0].engine).count_products(artifact)


def rank_engines(artifact: Artifact, threads: int) -> list[EngineTiming]:
    """Return the engines that answer right with `threads` threads on this CPU, the fastest first.

    They are measured the first time, and remembered. Raises `UserError` if there is none.
    """
    artifact.require_format(FORMAT)
    file = _cache_file("ways", artifact, threads)
    timings = _read_timings(file)
    if not timings:
        timings = _measure(artifact, threads)
        log.info("%s: %s", artifact.path, "; ".join(map(str, timings)))
        _write_caches(file, [asdict(timing) for timing in timings])
    refused = _read_refused(artifact)
    accepted = [timing for timing in timings if (timing.engine, timing.precision) not in refused]
    if not accepted:
        raise UserError(f"{artifact.path}: every engine gave wrong answers on this CPU")
    return accepted


def refuse_engine(artifact: Artifact, refused: Classifier) -> None:
    """Never use the engine and precision of `refused` for this graph on this CPU again."""
    file = _cache_file("refused", artifact)
    _refused[file] = _read_refused(artifact) | {(refused.engine, refused.precision)}
    _write_caches(file, sorted(_refused[file]))


def _measure(artifact: Artifact, threads: int) -> list[EngineTiming]:
    probe = read_probe(artifact)
    right = _load_right_ones(artifact, threads, probe)
    taken_ms = {key: _TakenMs() for key in right}
    for turn in range(TURNS):
        keys = list(right)
        # Others stand together in each turn: an engine that prepares its kernels for every shape
        # that it meets would look faster on shapes that it knows.
        texts = probe.texts[turn:] + probe.texts[:turn]
        for key in keys[turn % len(keys) :] + keys[: turn % len(keys)]:
            classifier, taken = right[key], taken_ms[key]
            classifier(texts[:1])  # untimed: other engines have used the caches since
            taken.one += [_ms(classifier, [text]) for text in texts]
            taken.few += [
                _ms(classifier, texts[first : first + FEW]) for first in range(0, len(texts), FEW)
            ]
            taken.many.append(_ms(classifier, texts))
    timings = {
        key: EngineTiming(
            *key, median(taken.one), median(taken.few), median(taken.many), BATCH_SIZES[0]
        )
        for key, taken in taken_ms.items()
    }
    worthwhile = [
        timing
        for (engine, precision), timing in timings.items()
        if precision == FP32
        or (engine, FP32) not in timings
        or timing.cost < MAX_SHARE_OF_COST * timings[engine, FP32].cost
    ]
    best, *others = sorted(worthwhile, key=lambda timing: timing.cost)
    tokens = _best_batch_tokens(right[best.engine, best.precision], probe, best.many_ms)
    return [replace(best, batch_tokens=tokens), *others]


def _best_batch_tokens(classifier: Classifier, probe: Probe, many_ms: float) -> int:
    """The smallest of `BATCH_SIZES` with which many texts take hardly longer than with any."""
    repeats = max(1, min(MAX_REPEATS, round(PASS_MS / many_ms)))
    sized = {size: replace(classifier, batch_tokens=size) for size in BATCH_SIZES}
    taken_ms: dict[int, list[float]] = {size: [] for size in sized}
    for _ in range(BATCH_TURNS):
        for size, each in sized.items():
            taken_ms[size].append(_ms(each, probe.texts * repeats))
    medians = {size: median(taken) for size, taken in taken_ms.items()}
    most_ms = min(medians.values()) * (1 + LARGER_IS_FASTER)
    return min(size for size, taken in medians.items() if taken <= most_ms)


def _load_right_ones(artifact: Artifact, threads: int, probe: Probe) -> dict[_Key, Classifier]:
    """Load in every engine and precision of this CPU, and return those that answer right."""
    right, changes, wrong = dict[_Key, Classifier](), dict[_Key, float](), list[str]()
    for engine in ENGINES:
        for precision in load_runtime(engine).precisions():
            key = engine, precision
            try:
                classifier = load_engine(engine, precision, artifact, threads)
                changes[key] = largest_change(classifier(probe.texts), probe.logits)
            except UserError:
                raise
            except Exception as error:  # what an engine raises for a graph that it cannot run
                wrong.append(f"{engine} {precision}: {' '.join(str(error).split())}")
                continue
            most = MAX_PROBE_CHANGE
            if precision != FP32:
                most = min(most, changes.get((engine, FP32), 0.0) + MAX_PRECISION_CHANGE)
            if changes[key] <= most:
                right[key] = classifier
            else:
                wrong.append(f"{engine} {precision}: moves a probability by {changes[key]:.2f}")
    if not right:
        raise UserError(
            f"{artifact.path}: no engine answers the probe as PyTorch does, within "
            f"{MAX_PROBE_CHANGE}: {'; '.join(wrong)}"
        )
    return right


def _ms(classifier: Classifier, texts: Sequence[str]) -> float:
    began = time.perf_counter()
    classifier(texts)
    return 1e3 * (time.perf_counter() - began)


def _cache_file(kind: str, artifact: Artifact, threads: int | None = None) -> str:
    """The name of the file for this graph, CPU and release of the engines."""
    facts = (
        artifact.manifest.files[MODEL],
        threads,
        cpu_model(),
        cpu_flags(),
        *(version(package) for package in REQUIREMENTS),
    )
    return f"{kind}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}.json"


def _read_timings(file: str) -> list[EngineTiming]:
    """The timings in the first cache that has them; [] if no cache has a file that can be read."""
    for folder in cache_folders(_CACHE):
        with suppress(OSError, ValueError, TypeError):
            rows = json.loads((folder / file).read_text(encoding="utf-8"))
            if timings := [EngineTiming(**row) for row in rows]:
                return timings
    return []


def _read_refused(artifact: Artifact) -> set[_Key]:
    """What any cache, or this process, has refused."""
    file = _cache_file("refused", artifact)
    refused = set(_refused.get(file, ()))
    for folder in cache_folders(_CACHE):
        with suppress(OSError, ValueError, TypeError):
            rows = json.loads((folder / file).read_text(encoding="utf-8"))
            refused |= {(engine, precision) for engine, precision in rows}
    return refused


def _write_caches(file: str, rows: Sequence[object]) -> None:
    """Write to every cache; where none can be written, it is measured again next time."""
    content = json.dumps(rows, indent=1).encode()
    for folder in cache_folders(_CACHE):
        write_whole(folder / file, content)

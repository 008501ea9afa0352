"""`auto`: runs an ONNX artifact in the engine that is fastest on this CPU, of those that are right.

An engine is right if its answers to the artifact's probe (`models/probe.py`) are PyTorch's. Which
one is fastest is measured when the artifact is first loaded on a machine, for one text and for a
call of many, in turns, and remembered in a file: one graph, and so one version in the registry,
serves every CPU. No engine is the fastest on all of them (figures in LOG.md).
"""

import hashlib
import json
import logging
import math
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from statistics import median

from fincompress.artifact import Artifact, Products
from fincompress.cores import cpu_flags, cpu_model, usable_cores
from fincompress.models.probe import largest_move, read_probe
from fincompress.runtimes import (
    CACHE,
    EXACT,
    Classifier,
    load_runtime,
    onnx_runtime,
    openvino_runtime,
)
from fincompress.spec import UserError

FORMAT = onnx_runtime.FORMAT
REQUIREMENTS = (*onnx_runtime.REQUIREMENTS, *openvino_runtime.REQUIREMENTS)
MOST_MOVED = 0.15  # of a probability of the probe; INT8 kernels round by a few hundredths
TURNS = 5
BF16 = "bf16"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Way:
    """An engine at a precision, and the median ms that it took for one text and a call of many."""

    engine: str
    precision: str
    one_ms: float
    many_ms: float

    @property
    def cost(self) -> float:
        """What is to be small: one text and a call of many count alike."""
        return math.sqrt(self.one_ms * self.many_ms)

    @property
    def name(self) -> str:
        return self.engine if self.precision == EXACT else f"{self.engine} {self.precision}"

    def __str__(self) -> str:
        return f"{self.name} {self.one_ms:.2f} ms for one text, {self.many_ms:.1f} for many"


def load(artifact: Artifact, threads: int) -> Classifier:
    """Load in the fastest engine; the first time on a machine takes a second or two more.

    Raises `UserError` if the answers of none are right.
    """
    best = ranking(artifact, threads)[0]
    return _openers()[best.engine, best.precision](artifact, threads)


def count_products(artifact: Artifact) -> Products:
    """Count in the engine that a load for all cores takes."""
    return load_runtime(ranking(artifact, usable_cores())[0].engine).count_products(artifact)


def ranking(artifact: Artifact, threads: int) -> list[Way]:
    """Return the ways to run `artifact` with `threads` on this CPU, the fastest first.

    They are measured once, and then remembered. Raises `UserError` if none is right.
    """
    artifact.require_format(FORMAT)
    file = _file(artifact, threads)
    with suppress(OSError, ValueError, TypeError):  # not there, or of another release
        if found := [Way(**each) for each in json.loads(file.read_text(encoding="utf-8"))]:
            return found
    found = _measure(artifact, threads)
    log.info("%s: %s", artifact.path, "; ".join(map(str, found)))
    _remember(file, found)
    return found


def set_aside(artifact: Artifact, threads: int, refused: Classifier) -> bool:
    """Never take the way of `refused` for this artifact on this machine again.

    Returns whether another one is left.
    """
    left = [
        way
        for way in ranking(artifact, threads)
        if (way.engine, way.precision) != (refused.engine, refused.precision)
    ]
    if left:
        _remember(_file(artifact, threads), left)
    return bool(left)


def _openers() -> dict[tuple[str, str], Callable[[Artifact, int], Classifier]]:
    """What loads an artifact in each way that this CPU has, the safest first."""
    openers: dict[tuple[str, str], Callable[[Artifact, int], Classifier]] = {
        ("onnx_runtime", EXACT): onnx_runtime.load,
        ("openvino_runtime", EXACT): openvino_runtime.load,
    }
    if _has_bf16():
        openers["openvino_runtime", BF16] = lambda artifact, threads: openvino_runtime.load(
            artifact, threads, BF16
        )
    return openers


@cache
def _has_bf16() -> bool:
    return openvino_runtime.has_bf16()


def _measure(artifact: Artifact, threads: int) -> list[Way]:
    probe = read_probe(artifact)
    right, wrong = dict[tuple[str, str], Classifier](), list[str]()
    for key, open_way in _openers().items():
        try:
            classifier = open_way(artifact, threads)
            moved = largest_move(classifier(probe.texts), probe.logits)
        except UserError:
            raise
        except Exception as error:  # what an engine raises for a graph that it cannot run
            wrong.append(f"{' '.join(key)}: {' '.join(str(error).split())}")
            continue
        if moved <= MOST_MOVED:
            right[key] = classifier
        else:
            wrong.append(f"{' '.join(key)}: moves a probability by {moved:.2f}")
    if not right:
        raise UserError(
            f"{artifact.path}: no engine answers the probe as PyTorch does, within "
            f"{MOST_MOVED}: {'; '.join(wrong)}"
        )
    one: dict[tuple[str, str], list[float]] = {key: [] for key in right}
    many: dict[tuple[str, str], list[float]] = {key: [] for key in right}
    for _ in range(TURNS):
        for key, classifier in right.items():
            classifier(probe.texts[:1])  # others had the caches meanwhile
            one[key] += [_ms(classifier, [text]) for text in probe.texts]
            many[key].append(_ms(classifier, probe.texts))
    ways = [Way(*key, median(one[key]), median(many[key])) for key in right]
    return sorted(ways, key=lambda way: way.cost)


def _ms(classifier: Classifier, texts: Sequence[str]) -> float:
    began = time.perf_counter()
    classifier(texts)
    return 1e3 * (time.perf_counter() - began)


def _file(artifact: Artifact, threads: int) -> Path:
    """Where the ways of this graph, with these threads, on this CPU, by these engines, are kept."""
    facts = (
        artifact.manifest.files[onnx_runtime.MODEL], threads, cpu_model(), cpu_flags(),
        *(version(name) for name in REQUIREMENTS),
    )  # fmt: skip
    name = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
    return _cache() / "engines" / f"{name}.json"


def _cache() -> Path:
    if folder := os.environ.get(CACHE):
        return Path(folder)
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        caches = Path(tempfile.gettempdir())
    return caches / "fincompress"


def _remember(file: Path, ways: Sequence[Way]) -> None:
    """Write the ways whole or not at all; where nothing can be written they are measured again."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        number, draft = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(number, "w", encoding="utf-8") as text:
            json.dump([asdict(way) for way in ways], text, indent=1)
        Path(draft).replace(file)

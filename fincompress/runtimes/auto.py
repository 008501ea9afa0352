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
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from fincompress.artifact import Artifact, Products
from fincompress.config import UserError
from fincompress.machine.cpu import cpu_flags, cpu_model, usable_cores
from fincompress.models.probe import largest_move, read_probe
from fincompress.runtimes import CACHE, EXACT, Classifier, load_runtime

FORMAT, GRAPH = "onnx", "model.onnx"
REQUIREMENTS = ("onnxruntime", "openvino")
BF16 = "bf16"
WAYS = (("onnx_runtime", EXACT), ("openvino_runtime", EXACT), ("openvino_runtime", BF16))
MOST_MOVED = 0.15  # of a probability of the probe; INT8 kernels round by a few hundredths
# What a precision must have over the same engine without it: as right, and faster beyond doubt.
MOVED_MORE, SHARE_OF_COST = 0.02, 0.95
TURNS = 5

log = logging.getLogger(__name__)
Key = tuple[str, str]  # engine and precision
_refused: dict[str, set[Key]] = {}  # by graph and CPU, where no file can be written


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
    return _open(best.engine, best.precision, artifact, threads)


def count_products(artifact: Artifact) -> Products:
    """Count in the engine that `load` takes for all cores."""
    return load_runtime(ranking(artifact, usable_cores())[0].engine).count_products(artifact)


def ranking(artifact: Artifact, threads: int) -> list[Way]:
    """Return the ways to run `artifact` with `threads` on this CPU, the fastest first.

    They are measured once, and then remembered. Raises `UserError` if none is right.
    """
    artifact.require_format(FORMAT)
    name = _name("ways", artifact, threads)
    ways = _read_ways(name)
    if not ways:
        ways = _measure(artifact, threads)
        log.info("%s: %s", artifact.path, "; ".join(map(str, ways)))
        _remember(name, [asdict(way) for way in ways])
    refused = _read_refused(artifact)
    left = [way for way in ways if (way.engine, way.precision) not in refused]
    if not left:
        raise UserError(f"{artifact.path}: what it answers was wrong in every engine")
    return left


def set_aside(artifact: Artifact, threads: int, refused: Classifier) -> bool:
    """Never take the way of `refused` for this graph on this CPU again, whatever the threads.

    Returns whether another one is left.
    """
    name = _name("refused", artifact)
    _refused[name] = _read_refused(artifact) | {(refused.engine, refused.precision)}
    _remember(name, sorted(_refused[name]))
    with suppress(UserError):
        best = ranking(artifact, threads)[0]
        return (best.engine, best.precision) not in _refused[name]
    return False


def _open(engine: str, precision: str, artifact: Artifact, threads: int) -> Classifier:
    if precision == EXACT:
        return load_runtime(engine).load(artifact, threads)
    from fincompress.runtimes import openvino_runtime

    return openvino_runtime.load(artifact, threads, precision)


def _has_bf16() -> bool:
    from fincompress.runtimes import openvino_runtime

    return openvino_runtime.has_bf16()


def _measure(artifact: Artifact, threads: int) -> list[Way]:
    probe = read_probe(artifact)
    right, moved, wrong = dict[Key, Classifier](), dict[Key, float](), list[str]()
    for key in WAYS:
        if key[1] == BF16 and not _has_bf16():
            continue
        try:
            classifier = _open(*key, artifact, threads)
            moved[key] = largest_move(classifier(probe.texts), probe.logits)
        except UserError:
            raise
        except Exception as error:  # what an engine raises for a graph that it cannot run
            wrong.append(f"{' '.join(key)}: {' '.join(str(error).split())}")
            continue
        exact = moved.get((key[0], EXACT), 0.0)
        most = MOST_MOVED if key[1] == EXACT else min(MOST_MOVED, exact + MOVED_MORE)
        if moved[key] <= most:
            right[key] = classifier
        else:
            wrong.append(f"{' '.join(key)}: moves a probability by {moved[key]:.2f}")
    if not right:
        raise UserError(
            f"{artifact.path}: no engine answers the probe as PyTorch does, within "
            f"{MOST_MOVED}: {'; '.join(wrong)}"
        )
    one: dict[Key, list[float]] = {key: [] for key in right}
    many: dict[Key, list[float]] = {key: [] for key in right}
    for turn in range(TURNS):
        keys = list(right)
        for key in keys[turn % len(keys) :] + keys[: turn % len(keys)]:
            right[key](probe.texts[:1])  # others had the caches meanwhile
            one[key] += [_ms(right[key], [text]) for text in probe.texts]
            many[key].append(_ms(right[key], probe.texts))
    ways = {key: Way(*key, median(one[key]), median(many[key])) for key in right}
    kept = [
        way
        for (engine, precision), way in ways.items()
        if precision == EXACT
        or (engine, EXACT) not in ways
        or way.cost < SHARE_OF_COST * ways[engine, EXACT].cost
    ]
    return sorted(kept, key=lambda way: way.cost)


def _ms(classifier: Classifier, texts: Sequence[str]) -> float:
    began = time.perf_counter()
    classifier(texts)
    return 1e3 * (time.perf_counter() - began)


def _name(kind: str, artifact: Artifact, threads: int | None = None) -> str:
    """The file for what is known of this graph on this CPU, by these engines."""
    facts = (
        artifact.manifest.files[GRAPH], threads, cpu_model(), cpu_flags(),
        *(version(name) for name in REQUIREMENTS),
    )  # fmt: skip
    return f"{kind}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}.json"


def _caches() -> list[Path]:
    """The folder that the environment names, and the user's, which a served model finds too."""
    named = [Path(folder)] if (folder := os.environ.get(CACHE)) else []
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        caches = Path(tempfile.gettempdir())
    return [folder / "engines" for folder in [*named, caches / "fincompress"]]


def _read_ways(name: str) -> list[Way]:
    """The first ranking that is kept; what is of another release, or broken, is none."""
    for folder in _caches():
        with suppress(OSError, ValueError, TypeError):
            text = (folder / name).read_text(encoding="utf-8")
            if ways := [Way(**each) for each in json.loads(text)]:
                return ways
    return []


def _read_refused(artifact: Artifact) -> set[Key]:
    name = _name("refused", artifact)
    found = set(_refused.get(name, ()))
    for folder in _caches():
        with suppress(OSError, ValueError, TypeError):
            text = (folder / name).read_text(encoding="utf-8")
            found |= {(engine, precision) for engine, precision in json.loads(text)}
    return found


def _remember(name: str, known: Sequence[object]) -> None:
    """Write the files whole or not at all; where none can be written it is measured again."""
    for folder in _caches():
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            number, draft = tempfile.mkstemp(dir=folder)
            with os.fdopen(number, "w", encoding="utf-8") as text:
                json.dump(known, text, indent=1)
            Path(draft).replace(folder / name)

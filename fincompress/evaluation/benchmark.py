"""A model on a runtime becomes a measurement, taken in a fresh process of its own."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fincompress.artifact import Artifact, read_artifact
from fincompress.data import Splits
from fincompress.evaluation.floor import NAME, fit_floor
from fincompress.evaluation.measurement import (
    P50,
    P95,
    PARAMETERS,
    SIZE,
    THROUGHPUT,
    Measurement,
    Samples,
)
from fincompress.evaluation.metrics import macro_f1_interval, scores
from fincompress.runtimes import Predictor, load_runtime
from fincompress.spec import UserError, settings

Positive = Annotated[int, Field(ge=1)]


@settings
class Timing:
    """The protocol: raw text in, label out, at the sentences' natural lengths.

    Latency: batch 1, `latency_runs` timed calls after `warmup` untimed ones. Throughput: the
    test sentences in batches of `throughput_batch`, `throughput_passes` times.
    """

    threads: Positive
    warmup: Positive = 50
    latency_runs: Positive = 500
    throughput_batch: Positive = 32
    throughput_passes: Positive = 3


@dataclass(frozen=True)
class Subject:
    """What is measured: an artifact on a runtime, or (no artifact) the floor."""

    variant: str
    version: int | None
    runtime: str
    artifact: Artifact | None


FLOOR = Subject(NAME, None, "scikit-learn", None)


def measure(subject: Subject, splits: Splits, timing: Timing) -> tuple[Measurement, Samples]:
    """Time and score `subject` in a new process; raise `UserError` if that process dies."""
    path = subject.artifact.path if subject.artifact else None
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_worker, args=(sender, path, subject.runtime, splits, timing), daemon=True
    )
    process.start()
    sender.close()  # so that its end is seen here
    try:
        answers, samples = receiver.recv()
    except EOFError:
        raise UserError(
            f"benchmark: the process that measured {subject.variant} died; see its message above"
        ) from None
    finally:
        process.kill()
        process.join()
    latency = np.array(samples.latency_ms)
    metrics = {
        P50: float(np.median(latency)),
        P95: float(np.percentile(latency, 95)),
        THROUGHPUT: float(np.median(samples.throughput_per_s)),
    }
    if subject.artifact is not None:
        metrics[SIZE] = subject.artifact.size_mb
        metrics[PARAMETERS] = float(subject.artifact.manifest.parameters)
    intervals = {}
    for part, predicted in answers.items():
        labels = splits.parts()[part].labels
        metrics |= {f"{part}/{name}": value for name, value in scores(labels, predicted).items()}
        intervals[f"{part}/macro_f1"] = macro_f1_interval(labels, predicted)
    return (
        Measurement(
            variant=subject.variant,
            version=subject.version,
            runtime=subject.runtime,
            metrics=metrics,
            intervals=intervals,
        ),
        samples,
    )


def _worker(
    sender: Connection, path: Path | None, runtime: str, splits: Splits, timing: Timing
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends this process
    sender.send(_answer_and_time(path, runtime, splits, timing))


def _answer_and_time(
    path: Path | None, runtime: str, splits: Splits, timing: Timing
) -> tuple[dict[str, NDArray[np.int64]], Samples]:
    """Run in the fresh process: predicted classes of validation and test, and the timings."""
    if path is None:
        predictor = fit_floor(splits.train)
    else:
        predictor = load_runtime(runtime).load(read_artifact(path), timing.threads)
    texts = splits.test.texts
    singles = [[texts[i % len(texts)]] for i in range(timing.warmup + timing.latency_runs)]
    calls = [_seconds(partial(_labels, predictor, batch)) for batch in singles]
    size = timing.throughput_batch
    batches = [texts[start : start + size] for start in range(0, len(texts), size)]
    passes = [
        _seconds(lambda: [_labels(predictor, batch) for batch in batches])
        for _ in range(timing.throughput_passes)
    ]
    samples = Samples(
        latency_ms=tuple(1e3 * seconds for seconds in calls[timing.warmup :]),
        throughput_per_s=tuple(len(texts) / seconds for seconds in passes),
    )
    parts = {"val": splits.val, "test": splits.test}
    return {name: _labels(predictor, part.texts) for name, part in parts.items()}, samples


def _labels(predictor: Predictor, texts: Sequence[str]) -> NDArray[np.int64]:
    classes: NDArray[np.int64] = predictor(texts).argmax(axis=1)
    return classes


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start

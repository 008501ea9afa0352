"""Models on runtimes become measurements, taken in turns, each in a process of its own."""

import multiprocessing
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fincompress.artifact import Artifact, read_artifact
from fincompress.data import Sentences, Splits
from fincompress.evaluation.floor import NAME, fit_floor
from fincompress.evaluation.measurement import (
    INT8_PRODUCTS,
    P50,
    P95,
    PARAMETERS,
    PRODUCTS,
    SIZE,
    THROUGHPUT,
    Measurement,
    Samples,
)
from fincompress.evaluation.metrics import macro_f1_interval, scores
from fincompress.runtimes import Predictor, load_runtime
from fincompress.spec import UserError, settings

ROUND = 50  # timed calls in a turn
AFTER_A_TURN = 3  # untimed ones before them: other models had the caches meanwhile

Positive = Annotated[int, Field(ge=1)]


@settings
class Timing:
    """The protocol: raw text in, label out, at the sentences' natural lengths.

    Latency: batch 1, `latency_runs` timed calls after `warmup` untimed ones, in rounds in which
    the variants take turns, so that a machine that slows down does so for all. Throughput: the
    test sentences in batches of `throughput_batch`, `throughput_passes` times, in turns too.
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


def measure(
    subjects: Sequence[Subject], splits: Splits, timing: Timing
) -> list[tuple[Measurement, Samples]]:
    """Time and score all `subjects` side by side; raise `UserError` if a process dies."""
    texts = splits.test.texts
    size = timing.throughput_batch
    batches = [list(texts[start : start + size]) for start in range(0, len(texts), size)]
    with ExitStack() as stack:
        residents = [_reside(stack, s, splits.train, timing.threads) for s in subjects]
        latency = _latencies(residents, texts, timing)
        # Validation in one call also makes every engine ready for full batches.
        validated = [resident.run([splits.val.texts])[1] for resident in residents]
        passes = [
            [resident.run(batches) for resident in residents]
            for _ in range(timing.throughput_passes)
        ]
        answers = [
            {"val": val, "test": test} for val, (_, test) in zip(validated, passes[-1], strict=True)
        ]
    found = []
    for place, subject in enumerate(subjects):
        samples = Samples(
            latency_ms=tuple(1e3 * seconds for seconds in latency[place]),
            throughput_per_s=tuple(len(texts) / sum(p[place][0]) for p in passes),
        )
        found.append((_measurement(subject, samples, answers[place], splits), samples))
    return found


def median_latencies(
    subjects: Sequence[Subject], texts: Sequence[str], timing: Timing
) -> list[float]:
    """Time models (not the floor) side by side on `texts`, ms; raise `UserError` if one dies."""
    with ExitStack() as stack:
        residents = [_reside(stack, subject, None, timing.threads) for subject in subjects]
        latency = _latencies(residents, texts, timing)
    return [1e3 * float(np.median(seconds)) for seconds in latency]


def _latencies(
    residents: "Sequence[Resident]", texts: Sequence[str], timing: Timing
) -> list[list[float]]:
    """Seconds that each resident took for each call, one text at a time, in turns."""
    singles = [[texts[i % len(texts)]] for i in range(timing.latency_runs)]
    latency: list[list[float]] = [[] for _ in residents]
    for resident in residents:
        resident.run([singles[i % len(singles)] for i in range(timing.warmup)])
    for start in range(0, len(singles), ROUND):
        calls = singles[start : start + ROUND]
        for resident, taken in zip(residents, latency, strict=True):
            resident.run(calls[:AFTER_A_TURN])
            taken += resident.run(calls)[0]
    return latency


def _reside(
    stack: ExitStack, subject: Subject, train: Sentences | None, threads: int
) -> "Resident":
    resident = Resident(subject, train, threads)
    stack.callback(resident.stop)
    return resident


class Resident:
    """A process that holds one subject, and does nothing unless it is asked to answer."""

    def __init__(self, subject: Subject, train: Sentences | None, threads: int) -> None:
        path = subject.artifact.path if subject.artifact else None
        context = multiprocessing.get_context("spawn")
        self.subject = subject
        self.pipe, other = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(other, path, subject.runtime, train, threads), daemon=True
        )
        self.process.start()
        other.close()  # so that its end is seen here

    def run(self, batches: Sequence[Sequence[str]]) -> tuple[list[float], NDArray[np.int64]]:
        """Return the seconds that each batch took, and the predicted classes of all."""
        try:
            self.pipe.send(batches)
            answer = self.pipe.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            raise UserError(
                f"benchmark: the process that measured {self.subject.variant} died "
                f"(exit code {self.process.exitcode})"
            ) from None
        if isinstance(answer, str):
            raise UserError(f"benchmark: {self.subject.variant}: {answer}")
        seconds, classes = answer
        return seconds, classes

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _serve(
    pipe: Connection, path: Path | None, runtime: str, train: Sentences | None, threads: int
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends this process
    predictor: Predictor | None = None
    with suppress(EOFError):  # nobody asks any more
        while True:
            batches = pipe.recv()
            try:
                predictor = predictor or _predictor(path, runtime, train, threads)
                pipe.send(_timed(predictor, batches))
            except Exception as error:
                pipe.send(f"{type(error).__name__}: {error}")


def _predictor(path: Path | None, runtime: str, train: Sentences | None, threads: int) -> Predictor:
    if path is None:
        assert train is not None, "the floor is fitted where it is measured"
        return fit_floor(train)
    return load_runtime(runtime).load(read_artifact(path), threads)


def _timed(
    predictor: Predictor, batches: Sequence[Sequence[str]]
) -> tuple[list[float], NDArray[np.int64]]:
    seconds, classes = [], [np.empty(0, dtype=np.int64)]
    for batch in batches:
        start = time.perf_counter()
        classes.append(predictor(batch).argmax(axis=1))
        seconds.append(time.perf_counter() - start)
    return seconds, np.concatenate(classes)


def _measurement(
    subject: Subject, samples: Samples, answers: Mapping[str, NDArray[np.int64]], splits: Splits
) -> Measurement:
    latency = np.array(samples.latency_ms)
    metrics = {
        P50: float(np.median(latency)),
        P95: float(np.percentile(latency, 95)),
        THROUGHPUT: float(np.median(samples.throughput_per_s)),
    }
    if subject.artifact is not None:
        metrics[SIZE] = subject.artifact.size_mb
        metrics[PARAMETERS] = float(subject.artifact.manifest.parameters)
        counted = subject.artifact.manifest.products
        products = counted or load_runtime(subject.runtime).count_products(subject.artifact)
        metrics |= {INT8_PRODUCTS: float(products.int8), PRODUCTS: float(products.total)}
    intervals = {}
    for part, predicted in answers.items():
        labels = splits.parts()[part].labels
        metrics |= {f"{part}/{name}": value for name, value in scores(labels, predicted).items()}
        intervals[f"{part}/macro_f1"] = macro_f1_interval(labels, predicted)
    return Measurement(
        variant=subject.variant,
        version=subject.version,
        runtime=subject.runtime,
        metrics=metrics,
        intervals=intervals,
    )

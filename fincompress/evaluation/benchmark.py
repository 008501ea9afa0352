"""Models on runtimes become measurements, taken in turns, each in a process of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fincompress.data import Splits
from fincompress.evaluation.floor import NAME
from fincompress.evaluation.measurement import (
    COLD_START,
    INT8_PRODUCTS,
    MOVED,
    P50,
    P95,
    P99,
    PADDED_P50,
    PADDED_THROUGHPUT,
    PARAMETERS,
    PEAK_MEMORY,
    PRODUCTS,
    REFERENCE_FIRST,
    REFERENCE_LAST,
    SIZE,
    THROUGHPUT,
    Measurement,
    Samples,
    at_batch,
    at_threads,
)
from fincompress.evaluation.metrics import percentile_intervals
from fincompress.evaluation.resident import HUGGING_FACE, Resident, Start, Subject
from fincompress.runtimes import load_runtime
from fincompress.spec import settings

ROUND = 25  # timed calls in a turn
FEWEST = 4  # rounds that an interval can be told from
AFTER_A_TURN = 3  # untimed ones before them: other models had the caches meanwhile

Positive = Annotated[int, Field(ge=1)]
Logits = NDArray[np.float32]


@settings
class Timing:
    """Two protocols. Serving: raw text in, label out, at the sentences' natural lengths. Padded,
    the published study's: the forward pass alone, at the maximum length.

    Latency: batch 1, `latency_runs` timed calls after `warmup` untimed ones (`padded_runs`), in
    rounds in which the variants take turns, so that a machine that slows down does so for all.
    Throughput: `throughput_sentences` of test in batches of `throughput_batch`,
    `throughput_passes` times, in turns too; and once more at other batch sizes and numbers of
    threads.
    """

    threads: Positive
    warmup: Positive = 50
    latency_runs: Positive = 500
    padded_runs: Positive = 100
    throughput_batch: Positive = 32
    throughput_sentences: Positive = 256
    throughput_passes: Positive = 3
    batches: tuple[Positive, ...] = (1, 8, 32, 128)


FLOOR = Subject(NAME, None, "scikit-learn", None)


@dataclass
class Taken:
    """All that was measured of one subject: milliseconds, and sentences a second."""

    start: Start
    latency: list[float] = field(default_factory=list)
    padded_latency: list[float] = field(default_factory=list)
    throughput: list[float] = field(default_factory=list)
    padded_throughput: list[float] = field(default_factory=list)
    by_batch: dict[int, float] = field(default_factory=dict)
    by_threads: dict[int, float] = field(default_factory=dict)
    logits: dict[str, Logits] = field(default_factory=dict)
    peak_memory_mb: float = 0.0


@dataclass(frozen=True)
class Result:
    """One subject's measurement, raw timings, and logits, (n, labels), of each part it answered."""

    measurement: Measurement
    samples: Samples
    logits: dict[str, Logits]


def measure(
    subjects: Sequence[Subject],
    splits: Splits,
    timing: Timing,
    *,
    parts: Mapping[str, Sequence[str]],
) -> tuple[list[Result], dict[str, float]]:
    """Time all `subjects` side by side, and let each answer the texts of `parts`.

    Also say how the first, the reference, moved: it is timed before and after everything else.
    Raises `UserError` if a process dies.
    """
    texts = splits.test.texts
    with _residents(subjects, splits, timing.threads) as residents:
        taken = [Taken(resident.start(timing.threads, texts[0])) for resident in residents]
        for resident in residents:
            resident.run(_singles(texts, timing.warmup))
        reference = [_median(residents[0].run(_singles(texts, 2 * ROUND))[0])]
        models = [r for r, s in zip(residents, subjects, strict=True) if s.artifact is not None]
        modelled = [t for t, s in zip(taken, subjects, strict=True) if s.artifact is not None]
        _in_rounds(
            residents, texts, timing.latency_runs,
            lambda r, calls: r.run(calls)[0], [t.latency for t in taken],
        )  # fmt: skip
        _in_rounds(
            models, texts, timing.padded_runs,
            lambda r, calls: r.forward(calls), [t.padded_latency for t in modelled],
        )  # fmt: skip
        _throughputs(residents, texts, timing, taken)
        batches = _batches(texts, timing.throughput_batch, timing)
        for _ in range(timing.throughput_passes):
            for model, own in zip(models, modelled, strict=True):
                model.forward(batches[:1])
                own.padded_throughput.append(_per_second(batches, model.forward(batches)))
        for part, asked in parts.items():
            whole = _cut(asked, timing.throughput_batch)
            for resident, own in zip(residents, taken, strict=True):
                own.logits[part] = resident.run(whole)[1]
        for resident, own in zip(residents, taken, strict=True):
            own.peak_memory_mb = resident.peak_memory_mb()
        _over_threads(residents, texts, timing, taken)
        reference.append(_median(residents[0].run(_singles(texts, 2 * ROUND))[0]))
    drift = {REFERENCE_FIRST: reference[0], REFERENCE_LAST: reference[1]}
    moved = abs(reference[1] / reference[0] - 1)
    why = f"the reference moved by {moved:.0%} meanwhile" if moved > MOVED else ""
    return [
        Result(_measurement(s, own, why), _samples(own), own.logits)
        for s, own in zip(subjects, taken, strict=True)
    ], drift


def median_latencies(
    subjects: Sequence[Subject], texts: Sequence[str], timing: Timing
) -> list[float]:
    """Time models (not the floor) side by side on `texts`, ms; raise `UserError` if one dies."""
    with _residents(subjects, None, timing.threads) as residents:
        for resident in residents:
            resident.start(timing.threads, texts[0])
            resident.run(_singles(texts, timing.warmup))
        latency: list[list[float]] = [[] for _ in residents]
        _in_rounds(residents, texts, timing.latency_runs, lambda r, calls: r.run(calls)[0], latency)
    return [float(np.median(own)) for own in latency]


@contextmanager
def _residents(
    subjects: Sequence[Subject], splits: Splits | None, threads: int
) -> Iterator[list[Resident]]:
    residents: list[Resident] = []
    train = (splits.train.texts, splits.train.labels) if splits else None
    try:
        for subject in subjects:
            residents.append(Resident(subject, threads, None if subject.artifact else train))
        for resident in residents:
            resident.prepare()  # all have before any is timed
        yield residents
    finally:
        for resident in residents:
            resident.stop()


def _in_rounds(
    residents: Sequence[Resident],
    texts: Sequence[str],
    runs: int,
    ask: Callable[[Resident, Sequence[Sequence[str]]], list[float]],
    into: Sequence[list[float]],
) -> None:
    """Add the milliseconds that each resident took for each of `runs` calls, in turns."""
    singles = _singles(texts, runs)
    for start in range(0, runs, ROUND):
        calls = singles[start : start + ROUND]
        for resident, taken in zip(residents, into, strict=True):
            ask(resident, calls[:AFTER_A_TURN])
            taken += [1e3 * seconds for seconds in ask(resident, calls)]


def _throughputs(
    residents: Sequence[Resident], texts: Sequence[str], timing: Timing, taken: Sequence[Taken]
) -> None:
    for size in timing.batches:
        batches = _batches(texts, size, timing)
        for resident, own in zip(residents, taken, strict=True):
            resident.run(batches[:1])
            own.by_batch[size] = _per_second(batches, resident.run(batches)[0])
    batches = _batches(texts, timing.throughput_batch, timing)
    for _ in range(timing.throughput_passes):
        for resident, own in zip(residents, taken, strict=True):
            resident.run(batches[:1])
            own.throughput.append(_per_second(batches, resident.run(batches)[0]))


def _over_threads(
    residents: Sequence[Resident], texts: Sequence[str], timing: Timing, taken: Sequence[Taken]
) -> None:
    """Throughput with 1, 2, 4, ... threads, up to those of the study; each loads anew."""
    batches = _batches(texts, timing.throughput_batch, timing)
    counts = {2**power for power in range(timing.threads.bit_length())} | {timing.threads}
    for threads in sorted(counts):
        for resident, own in zip(residents, taken, strict=True):
            if resident.subject.artifact is None:
                continue  # it has no threads to set
            resident.start(threads, texts[0])
            resident.run(batches[:1])
            own.by_threads[threads] = _per_second(batches, resident.run(batches)[0])


def _singles(texts: Sequence[str], count: int) -> list[list[str]]:
    return [[texts[i % len(texts)]] for i in range(count)]


def _cut(texts: Sequence[str], size: int) -> list[list[str]]:
    return [list(texts[start : start + size]) for start in range(0, len(texts), size)]


def _batches(texts: Sequence[str], size: int, timing: Timing) -> list[list[str]]:
    return _cut(texts[: max(size, timing.throughput_sentences)], size)


def _per_second(batches: Sequence[Sequence[str]], seconds: Sequence[float]) -> float:
    return sum(map(len, batches)) / sum(seconds)


def _median(seconds: Sequence[float]) -> float:
    return 1e3 * float(np.median(seconds))


def _samples(own: Taken) -> Samples:
    return Samples(
        latency_ms=tuple(own.latency),
        throughput_per_s=tuple(own.throughput),
        padded_latency_ms=tuple(own.padded_latency),
    )


def _measurement(subject: Subject, own: Taken, why: str) -> Measurement:
    percentiles = {P50: 50.0, P95: 95.0, P99: 99.0}
    intervals = percentile_intervals(own.latency, ROUND, percentiles)
    metrics = {key: float(np.percentile(own.latency, at)) for key, at in percentiles.items()}
    metrics |= {THROUGHPUT: float(np.median(own.throughput)), COLD_START: own.start.milliseconds}
    metrics |= {PEAK_MEMORY: own.peak_memory_mb}
    metrics |= {at_batch(size): found for size, found in own.by_batch.items()}
    metrics |= {at_threads(count): found for count, found in own.by_threads.items()}
    if subject.artifact is not None:
        metrics[PADDED_P50] = float(np.median(own.padded_latency))
        metrics[PADDED_THROUGHPUT] = float(np.median(own.padded_throughput))
        metrics[SIZE] = subject.artifact.size_mb
        metrics[PARAMETERS] = float(subject.artifact.manifest.parameters)
        metrics |= _products(subject)
    low, high = intervals[P50]
    uncertain = (high - low) / 2 / metrics[P50]
    if not why and uncertain > MOVED:
        why = f"its median is known to within {uncertain:.0%} only"
    if len(own.latency) < FEWEST * ROUND:  # too few to resample
        why = f"{len(own.latency)} calls are fewer than {FEWEST} rounds of {ROUND}"
    return Measurement(
        variant=subject.variant, version=subject.version, runtime=subject.runtime,
        precision=own.start.precision, metrics=metrics, intervals=intervals, unreliable=why,
    )  # fmt: skip


def _products(subject: Subject) -> Mapping[str, float]:
    """INT8 and all matrix products, counted in the graph as this CPU compiles it."""
    assert subject.artifact is not None
    if subject.runtime == HUGGING_FACE:
        return {}  # its products are not those that were counted in ours
    counted = load_runtime(subject.runtime).count_products(subject.artifact)
    return {INT8_PRODUCTS: float(counted.int8), PRODUCTS: float(counted.total)}

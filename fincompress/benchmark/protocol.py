"""Models on runtimes become measurements, taken in turns, each in a process of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from fincompress.benchmark.process import HUGGING_FACE, Subject
from fincompress.benchmark.rounds import (
    Logits,
    Timings,
    answer,
    ask,
    each,
    loaded,
    pass_of_size,
    pass_padded,
    pass_serving,
    pass_with_threads,
    reference_ms,
    round_calls,
    rounds,
    singles,
    time_padded,
    time_serving,
    weigh,
)
from fincompress.benchmark.tfidf import NAME
from fincompress.config import settings
from fincompress.data import Splits
from fincompress.evaluation.metrics import percentile_intervals, round_medians
from fincompress.evaluation.results import (
    COLD_START,
    INT8_PRODUCTS,
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
    batch_throughput_key,
    thread_throughput_key,
)
from fincompress.runtimes import load_runtime

Positive = Annotated[int, Field(ge=1)]


@settings
class Timing:
    """Two protocols. Serving: raw text in, label out, at the sentences' natural lengths. Padded,
    the published study's: the forward pass alone, at the maximum length.

    Latency: batch 1, `latency_runs` timed calls after `warmup` untimed ones (`padded_runs`), in
    20 rounds or a few more. In each all variants take turns with the same sentences, in another
    order, so that a machine that slows down does so for all. Throughput: `throughput_sentences` of
    test in batches of `throughput_batch`, `throughput_passes` times, in turns too; and once more at
    other batch sizes and numbers of threads.
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


@dataclass(frozen=True)
class Result:
    """One subject's measurement, raw timings, and logits, (n, labels), of each part it answered."""

    measurement: Measurement
    samples: Samples
    logits: dict[str, Logits]


@dataclass(frozen=True)
class Measured:
    """The `results` of those that could be measured, and of the others what went wrong, by name.

    `drift` is what the first of them, the reference, took before and after everything else, in ms.
    """

    results: tuple[Result, ...]
    failed: dict[str, str]
    drift: dict[str, float]


def measure(
    subjects: Sequence[Subject],
    splits: Splits,
    timing: Timing,
    *,
    parts: Mapping[str, Sequence[str]],
) -> Measured:
    """Time all `subjects` side by side, and let each answer the texts of `parts`.

    One whose process fails or dies is left out from there on. Raises `UserError` if that is the
    first, the reference.
    """
    texts = splits.test.texts
    batches = _batches(texts, timing.throughput_batch, timing)
    train = (splits.train.texts, splits.train.labels)
    with loaded(subjects, timing.threads, texts[0], train, needed=1) as taken:
        models = [own for own in taken if own.subject.artifact is not None]
        each(taken, partial(ask, calls=singles(texts, timing.warmup)))
        before = reference_ms(taken, texts)
        for number, calls in rounds(texts, timing.latency_runs):
            each(taken, partial(time_serving, calls=calls), number)
        for number, calls in rounds(texts, timing.padded_runs):
            each(models, partial(time_padded, calls=calls), number)
        for number, size in enumerate(timing.batches):
            each(
                taken, partial(pass_of_size, size=size, calls=_batches(texts, size, timing)), number
            )
        for number in range(timing.throughput_passes):
            each(taken, partial(pass_serving, calls=batches), number)
        for number in range(timing.throughput_passes):
            each(models, partial(pass_padded, calls=batches), number)
        for part, asked in parts.items():
            whole = _cut(asked, timing.throughput_batch)
            each(taken, partial(answer, part=part, calls=whole))
        each(taken, weigh)
        for number, threads in enumerate(_thread_counts(timing.threads)):
            each(models, partial(pass_with_threads, threads=threads, calls=batches), number)
        drift = {REFERENCE_FIRST: before, REFERENCE_LAST: reference_ms(taken, texts)}
    return Measured(
        tuple(_result(own, timing) for own in taken if not own.failed),
        {own.subject.variant: own.failed for own in taken if own.failed},
        drift,
    )


def median_latencies(
    subjects: Sequence[Subject], texts: Sequence[str], timing: Timing
) -> list[tuple[float, ...]]:
    """Time models (not the floor) side by side on `texts`.

    Returns the median of each round, (rounds,), ms, by model. Raises `UserError` if one dies.
    """
    with loaded(subjects, timing.threads, texts[0], None, needed=len(subjects)) as taken:
        each(taken, partial(ask, calls=singles(texts, timing.warmup)))
        for number, calls in rounds(texts, timing.latency_runs):
            each(taken, partial(time_serving, calls=calls), number)
    return [round_medians(own.latency, round_calls(timing.latency_runs)) for own in taken]


def _thread_counts(most: int) -> list[int]:
    """1, 2, 4, ... threads, up to those of the study."""
    return sorted({2**power for power in range(most.bit_length())} | {most})


def _cut(texts: Sequence[str], size: int) -> list[list[str]]:
    return [list(texts[start : start + size]) for start in range(0, len(texts), size)]


def _batches(texts: Sequence[str], size: int, timing: Timing) -> list[list[str]]:
    return _cut(texts[: max(size, timing.throughput_sentences)], size)


def _result(own: Timings, timing: Timing) -> Result:
    size = round_calls(timing.latency_runs)
    samples = Samples(
        latency_ms=tuple(own.latency),
        round_calls=size,
        throughput_per_s=tuple(own.throughput),
        padded_latency_ms=tuple(own.padded_latency),
    )
    return Result(_measurement(own, size), samples, own.logits)


def _measurement(own: Timings, size: int) -> Measurement:
    subject, percentiles = own.subject, {P50: 50.0, P95: 95.0, P99: 99.0}
    assert own.start is not None, "it was started, or else it has failed"
    metrics = {key: float(np.percentile(own.latency, at)) for key, at in percentiles.items()}
    metrics |= {THROUGHPUT: float(np.median(own.throughput)), COLD_START: own.start.milliseconds}
    metrics |= {PEAK_MEMORY: own.peak_memory_mb}
    metrics |= {batch_throughput_key(size): found for size, found in own.by_batch.items()}
    metrics |= {thread_throughput_key(count): found for count, found in own.by_threads.items()}
    if subject.artifact is not None:
        metrics[PADDED_P50] = float(np.median(own.padded_latency))
        metrics[PADDED_THROUGHPUT] = float(np.median(own.padded_throughput))
        metrics[SIZE] = subject.artifact.size_mb
        metrics[PARAMETERS] = float(subject.artifact.manifest.parameters)
        metrics |= _products(subject, own.start.engine)
    return Measurement(
        variant=subject.variant,
        version=subject.version,
        runtime=own.start.engine,
        precision=own.start.precision,
        metrics=metrics,
        intervals=percentile_intervals(own.latency, size, percentiles),
        round_medians_ms=round_medians(own.latency, size),
    )


def _products(subject: Subject, engine: str) -> Mapping[str, float]:
    """INT8 and all matrix products, counted in the graph as this CPU compiles it."""
    assert subject.artifact is not None
    if engine == HUGGING_FACE:
        return {}  # its products are not those that were counted in ours
    counted = load_runtime(engine).count_products(subject.artifact)
    return {INT8_PRODUCTS: float(counted.int8), PRODUCTS: float(counted.total)}

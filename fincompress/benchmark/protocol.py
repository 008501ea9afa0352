"""The benchmark protocol: what is timed of every subject, how often and in which order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fincompress.benchmark.process import HUGGING_FACE, TORCH_COMPILE, Subject
from fincompress.benchmark.rounds import (
    SubjectTimings,
    calls_per_round,
    measuring_processes,
    one_text_calls,
    record_handed_over,
    record_logits,
    record_memory,
    reference_ms,
    reload_model,
    split_into_rounds,
    take_turns,
    time_batch_size,
    time_calls,
    time_latency,
    time_padded_latency,
    time_padded_throughput,
    time_threads,
    time_throughput,
)
from fincompress.benchmark.tfidf import FLOOR_NAME
from fincompress.config import Positive, settings
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
    TEST,
    THROUGHPUT,
    Measurement,
    Samples,
    batch_throughput_key,
    thread_throughput_key,
)
from fincompress.runtimes import load_runtime


@settings
class Timing:
    """How a study measures speed: two protocols, in which all subjects take turns.

    Serving is what a caller sees: raw text in, label out, sentences of natural length. Padded is
    the protocol of the published study: the forward pass alone, on texts padded to the maximum
    length. Latency is that of calls with one text, in 20 rounds or a few more: in each round all
    subjects get the same sentences, in another order of turns, so that a machine that slows down
    slows down for all. Throughput is that of calls with a batch of texts.

    `threads`: CPU threads of every model and tokenizer. `warmup`: untimed calls before the first
    timed one. `latency_runs`: timed calls for the serving latency; more narrow its intervals.
    `padded_runs`: timed calls for the padded latency. `throughput_batch`: texts in a call when
    throughput is measured, and when val and test are answered. `throughput_sentences`: test
    sentences in one pass of throughput. `throughput_passes`: passes, whose median is reported.
    `batches`: batch sizes for which throughput is measured, besides `throughput_batch`.
    """

    threads: Positive
    warmup: Positive = 50
    latency_runs: Positive = 500
    padded_runs: Positive = 100
    throughput_batch: Positive = 32
    throughput_sentences: Positive = 256
    throughput_passes: Positive = 3
    batches: tuple[Positive, ...] = (1, 8, 32, 128)


FLOOR_SUBJECT = Subject(FLOOR_NAME, None, "scikit-learn", None, precision="f64")


@dataclass(frozen=True)
class SubjectResult:
    """What was measured of one subject.

    `measurement`: its metrics. `samples`: its raw timings. `logits`: (n, labels), by part.
    `handed_over`: of a cascade, which texts it hands over, (n,), by part.
    """

    measurement: Measurement
    samples: Samples
    logits: dict[str, NDArray[np.float32]]
    handed_over: dict[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class MeasuredSubjects:
    """What was measured of all subjects.

    `results`: of those that did not fail, in their order. `failed`: what went wrong with the
    others, by name. `drift`: the latency of the first subject, the reference, before and after all
    others were timed, in ms: it shows by how much the speed of the machine has changed.
    """

    results: tuple[SubjectResult, ...]
    failed: dict[str, str]
    drift: dict[str, float]


def measure(
    subjects: Sequence[Subject],
    splits: Splits,
    timing: Timing,
    *,
    parts: Mapping[str, Sequence[str]],
    version_parts: Mapping[str, Sequence[str]] | None = None,
) -> MeasuredSubjects:
    """Time all subjects in turns on test sentences, and let each answer the texts of `parts`.

    Those of `version_parts` are answered by registered versions and the floor alone: peers, most of
    which are the same models in slower engines, would take minutes. For the same reason
    peers are timed with the study's number of threads alone, in calls of at most `throughput_batch`
    texts, and not all of them padded. The first subject is the reference. One whose process fails
    or dies is left out from then on. Raises `UserError` if the reference fails.
    """
    texts = splits.test.texts
    batches = _throughput_calls(texts, timing.throughput_batch, timing)
    train = (splits.learned.texts, splits.learned.labels)
    with measuring_processes(subjects, timing.threads, texts[0], train, needed=1) as everyone:
        padded = [timings for timings in everyone if timings.subject.padded]
        models = [timings for timings in everyone if timings.subject.other_threads]
        not_slow = [t for t in everyone if t.subject.artifact is None or t.subject.other_threads]
        scored = [timings for timings in everyone if timings.subject.scored]
        warmup = one_text_calls(texts, timing.warmup)
        take_turns(everyone, partial(time_calls, calls=warmup))
        first_ms = reference_ms(everyone, texts)
        for number, calls in split_into_rounds(texts, timing.latency_runs):
            take_turns(everyone, partial(time_latency, calls=calls), number)
        for number, calls in split_into_rounds(texts, timing.padded_runs):
            take_turns(padded, partial(time_padded_latency, calls=calls), number)
        for number, size in enumerate(_other_batch_sizes(timing)):
            calls = _throughput_calls(texts, size, timing)
            own = everyone if size <= timing.throughput_batch else not_slow
            for turn in range(timing.throughput_passes):
                time_one = partial(time_batch_size, size=size, calls=calls)
                take_turns(own, time_one, number + turn)
        for number in range(timing.throughput_passes):
            take_turns(everyone, partial(time_throughput, calls=batches), number)
        for number in range(timing.throughput_passes):
            take_turns(padded, partial(time_padded_throughput, calls=batches), number)
        for part, part_texts in parts.items():
            calls = _batches(part_texts, timing.throughput_batch)
            take_turns(scored, partial(record_logits, part=part, calls=calls))
        take_turns(everyone, record_memory)
        shipped = [t for t in everyone if t.subject.version or t.subject.is_floor]
        for part, part_texts in (version_parts or {}).items():
            calls = _batches(part_texts, timing.throughput_batch)
            take_turns(shipped, partial(record_logits, part=part, calls=calls))
        # Of test, which is timed, even where nothing is scored.
        for part, part_texts in {TEST: texts, **parts, **(version_parts or {})}.items():
            take_turns(models, partial(record_handed_over, part=part, texts=part_texts))
        other_threads = _other_thread_counts(timing)
        for number, threads in enumerate(other_threads):
            take_turns(models, partial(time_threads, threads=threads, calls=batches), number)
        if other_threads:  # so that the reference is timed again as it was timed first
            reload_model(everyone[0], timing.threads, warmup)
        drift = {REFERENCE_FIRST: first_ms, REFERENCE_LAST: reference_ms(everyone, texts)}
    return MeasuredSubjects(
        tuple(_result(timings, timing) for timings in everyone if not timings.failed),
        {timings.subject.variant: timings.failed for timings in everyone if timings.failed},
        drift,
    )


def median_latencies(
    subjects: Sequence[Subject], texts: Sequence[str], timing: Timing
) -> list[tuple[float, ...]]:
    """Time the latency of models (not of the floor) in turns on `texts`.

    Returns, for each model, the median of each round, (rounds,), in ms. Raises `UserError` if a
    process fails or dies.
    """
    with measuring_processes(
        subjects, timing.threads, texts[0], None, needed=len(subjects)
    ) as everyone:
        take_turns(everyone, partial(time_calls, calls=one_text_calls(texts, timing.warmup)))
        for number, calls in split_into_rounds(texts, timing.latency_runs):
            take_turns(everyone, partial(time_latency, calls=calls), number)
    size = calls_per_round(timing.latency_runs)
    return [round_medians(timings.latency_ms, size) for timings in everyone]


def _other_batch_sizes(timing: Timing) -> list[int]:
    """The batch sizes to be measured besides `throughput_batch`."""
    return [size for size in timing.batches if size != timing.throughput_batch]


def _other_thread_counts(timing: Timing) -> list[int]:
    """1, 2, 4, ... threads: fewer than those of the study."""
    powers = (2**power for power in range(timing.threads.bit_length()))
    return [count for count in powers if count < timing.threads]


def _batches(texts: Sequence[str], size: int) -> list[list[str]]:
    return [list(texts[start : start + size]) for start in range(0, len(texts), size)]


def _throughput_calls(texts: Sequence[str], size: int, timing: Timing) -> list[list[str]]:
    """Calls of `size` texts each; of larger calls one, which begins again when all are used."""
    count = max(size, min(timing.throughput_sentences, len(texts)))
    return _batches([texts[number % len(texts)] for number in range(count)], size)


def _result(timings: SubjectTimings, timing: Timing) -> SubjectResult:
    samples = Samples(
        latency_ms=tuple(timings.latency_ms),
        round_calls=calls_per_round(timing.latency_runs),
        throughput_per_s=tuple(timings.throughput_per_s),
        padded_latency_ms=tuple(timings.padded_latency_ms),
    )
    measurement = _measurement(timings, timing)
    return SubjectResult(measurement, samples, timings.logits, timings.handed_over)


def _measurement(timings: SubjectTimings, timing: Timing) -> Measurement:
    subject, start, percentiles = (
        timings.subject,
        timings.cold_start,
        {P50: 50.0, P95: 95.0, P99: 99.0},
    )
    assert start is not None, "a subject that did not start has failed"
    latency_ms, size = timings.latency_ms, calls_per_round(timing.latency_runs)
    throughput = float(np.median(timings.throughput_per_s))
    metrics = {key: float(np.percentile(latency_ms, rank)) for key, rank in percentiles.items()}
    metrics |= {THROUGHPUT: throughput, COLD_START: start.milliseconds}
    metrics |= {PEAK_MEMORY: timings.peak_memory_mb}
    by_batch = {**timings.by_batch, timing.throughput_batch: timings.throughput_per_s}
    metrics |= {
        batch_throughput_key(size): float(np.median(by_batch[size]))
        for size in timing.batches
        if size in by_batch
    }
    if subject.padded:
        metrics[PADDED_P50] = float(np.median(timings.padded_latency_ms))
        metrics[PADDED_THROUGHPUT] = float(np.median(timings.padded_throughput_per_s))
    if subject.size_mb is not None:
        metrics[SIZE] = subject.size_mb
    if subject.artifact is not None:
        by_threads = {**timings.by_threads, timing.threads: throughput}
        metrics |= {thread_throughput_key(count): value for count, value in by_threads.items()}
        metrics[PARAMETERS] = float(subject.artifact.manifest.parameters)
        metrics |= _products(subject, start.engine)
    return Measurement(
        variant=subject.variant,
        version=subject.version,
        runtime=start.engine,
        precision=start.precision,
        metrics=metrics,
        intervals=percentile_intervals(latency_ms, size, percentiles),
        round_medians_ms=round_medians(latency_ms, size),
    )


def _products(subject: Subject, engine: str) -> Mapping[str, float]:
    """INT8 and all matrix products, counted in the graph as the engine compiles it for this CPU."""
    assert subject.artifact is not None
    if engine in (HUGGING_FACE, TORCH_COMPILE):
        return {}  # its graph is not the artifact's
    products = load_runtime(engine).count_products(subject.artifact)
    return {INT8_PRODUCTS: float(products.int8), PRODUCTS: float(products.total)}

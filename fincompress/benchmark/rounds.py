"""Rounds of timed calls: subjects take turns, each loaded in a process of its own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fincompress.benchmark.process import ColdStart, MeasuredProcess, Subject
from fincompress.config import UserError
from fincompress.evaluation.results import MIN_ROUNDS
from fincompress.machine.locks import hold_to_measure

WARMUP_CALLS = 3  # untimed, at the start of a turn: other subjects have used the caches since
REFERENCE_CALLS = 50  # their median tells how fast the machine is at that moment

Calls = Sequence[Sequence[str]]  # the texts of each call


@dataclass
class SubjectTimings:
    """All that is measured of one subject, as it comes in.

    `process`: the subject's process. `needed`: whether its failure ends the benchmark. `failed`:
    what went wrong, '' if nothing; a process that has failed is not used again. `cold_start`: the
    time to its first answer. `latency_ms`: of each call with one text. `throughput_per_s`:
    sentences a second, of each pass. `padded_latency_ms`, `padded_throughput_per_s`: the same of
    the forward pass alone, at the maximum length. `by_batch`: sentences a second of each pass, by
    batch size; `by_threads`: of one pass, by number of threads; where they are not the study's own.
    `logits`: (n, labels), by part. `handed_over`: by part, which texts a cascade hands over, (n,).
    `peak_memory_mb`: in 10^6 bytes.
    """

    process: MeasuredProcess
    needed: bool
    failed: str = ""
    cold_start: ColdStart | None = None
    latency_ms: list[float] = field(default_factory=list)
    padded_latency_ms: list[float] = field(default_factory=list)
    throughput_per_s: list[float] = field(default_factory=list)
    padded_throughput_per_s: list[float] = field(default_factory=list)
    by_batch: dict[int, list[float]] = field(default_factory=dict)
    by_threads: dict[int, float] = field(default_factory=dict)
    logits: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    handed_over: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    peak_memory_mb: float = 0.0

    @property
    def subject(self) -> Subject:
        """What was timed: the subject that the process loaded."""
        return self.process.subject


def turn_order(count: int, round_number: int) -> list[int]:
    """Return the order in which `count` subjects take their turns in a round.

    Round r begins with subject r mod `count`, and no subject always follows the same one: over
    `count` rounds, if `count` is even, each follows each other equally often. Williams (1949),
    "Experimental designs balanced for the estimation of residual effects of treatments".
    """
    zigzag = [step // 2 if step % 2 == 0 else -(step + 1) // 2 for step in range(count)]
    return [(round_number + offset) % count for offset in zigzag]


@contextmanager
def measuring_processes(
    subjects: Sequence[Subject], threads: int, text: str, train: Any, needed: int
) -> Iterator[list[SubjectTimings]]:
    """Lock the machine for measuring, and run a process for each subject.

    Each has loaded its model for `threads` threads and answered `text`. The floor is fitted to
    `train`, texts and labels. The first `needed` subjects must not fail: raises `UserError` if one
    does.
    """
    subjects_timings: list[SubjectTimings] = []
    with hold_to_measure():
        try:
            for index, subject in enumerate(subjects):
                process = MeasuredProcess(subject, threads, train if subject.is_floor else None)
                subjects_timings.append(SubjectTimings(process, needed=index < needed))
            # All of them, side by side, before any is timed.
            take_turns(subjects_timings, lambda timings: timings.process.begin())
            take_turns(subjects_timings, lambda timings: timings.process.prepare())
            take_turns(subjects_timings, partial(_time_cold_start, threads=threads, text=text))
            yield subjects_timings
        finally:
            for timings in subjects_timings:
                timings.process.stop()


def take_turns(
    subjects_timings: Sequence[SubjectTimings],
    action: Callable[[SubjectTimings], object],
    round_number: int = 0,
) -> None:
    """Do `action` for each subject, in the order of the round.

    The process of one that fails is stopped, and it is left out from then on. Raises `UserError`
    if it is needed.
    """
    for index in turn_order(len(subjects_timings), round_number):
        timings = subjects_timings[index]
        if timings.failed:
            continue
        try:
            action(timings)
        except UserError as error:
            if timings.needed:
                raise
            timings.failed = str(error)
            timings.process.stop()


def time_calls(timings: SubjectTimings, calls: Calls) -> list[float]:
    """Return the seconds of each call, and record nothing."""
    return timings.process.run(calls)[0]


def time_latency(timings: SubjectTimings, calls: Calls) -> None:
    """Record the latency of each call with one text."""
    time_calls(timings, calls[:WARMUP_CALLS])
    timings.latency_ms += [1e3 * seconds for seconds in time_calls(timings, calls)]


def time_padded_latency(timings: SubjectTimings, calls: Calls) -> None:
    """Record the latency of each forward pass over one text, padded to the maximum length."""
    timings.process.forward(calls[:WARMUP_CALLS])
    timings.padded_latency_ms += [1e3 * seconds for seconds in timings.process.forward(calls)]


def time_throughput(timings: SubjectTimings, calls: Calls) -> None:
    """Record the throughput of one pass over the calls, after one of them untimed."""
    timings.throughput_per_s.append(_throughput_per_s(timings, calls))


def time_batch_size(timings: SubjectTimings, size: int, calls: Calls) -> None:
    """Record the throughput of one pass in batches of `size`, beside that of other passes."""
    timings.by_batch.setdefault(size, []).append(_throughput_per_s(timings, calls))


def reload_model(timings: SubjectTimings, threads: int, calls: Calls) -> None:
    """Load the model again, for `threads` threads, and warm it up with the calls, untimed."""
    timings.process.start(threads, calls[0][0])
    time_calls(timings, calls)


def time_threads(timings: SubjectTimings, threads: int, calls: Calls) -> None:
    """Load the model again, for `threads` threads, and record the throughput of one pass."""
    timings.process.start(threads, calls[0][0])
    timings.by_threads[threads] = _throughput_per_s(timings, calls)


def time_padded_throughput(timings: SubjectTimings, calls: Calls) -> None:
    """Record the throughput of one pass of forward passes, padded to the maximum length."""
    timings.process.forward(calls[:1])
    timings.padded_throughput_per_s.append(_per_second(calls, timings.process.forward(calls)))


def record_logits(timings: SubjectTimings, part: str, calls: Calls) -> None:
    """Record the logits of all texts, (n, labels), as those of `part`."""
    timings.logits[part] = timings.process.run(calls)[1]


def record_handed_over(timings: SubjectTimings, part: str, texts: Sequence[str]) -> None:
    """Record which texts of `part` a cascade hands over; nothing for another model."""
    if unsure := timings.process.hands_over(texts):
        timings.handed_over[part] = np.array(unsure)


def record_memory(timings: SubjectTimings) -> None:
    """Record the peak memory so far."""
    timings.peak_memory_mb = timings.process.peak_memory_mb()


def reference_ms(subjects_timings: Sequence[SubjectTimings], texts: Sequence[str]) -> float:
    """Return the first subject's median latency now, which shows how fast the machine is."""
    seconds = time_calls(subjects_timings[0], one_text_calls(texts, REFERENCE_CALLS))
    return 1e3 * float(np.median(seconds))


def calls_per_round(count: int) -> int:
    """Return how many of `count` calls are one of `MIN_ROUNDS` rounds or a few more."""
    return max(1, count // MIN_ROUNDS)


def split_into_rounds(texts: Sequence[str], count: int) -> Iterator[tuple[int, Calls]]:
    """Return the number of each round and its calls, of `count` calls with one text."""
    calls, size = one_text_calls(texts, count), calls_per_round(count)
    return enumerate(calls[start : start + size] for start in range(0, count, size))


def one_text_calls(texts: Sequence[str], count: int) -> list[list[str]]:
    """Return `count` calls with one text, beginning again with the first text when all are used."""
    return [[texts[number % len(texts)]] for number in range(count)]


def _time_cold_start(timings: SubjectTimings, threads: int, text: str) -> None:
    timings.cold_start = timings.process.start(threads, text)


def _throughput_per_s(timings: SubjectTimings, calls: Calls) -> float:
    time_calls(timings, calls[:1])
    return _per_second(calls, time_calls(timings, calls))


def _per_second(calls: Calls, seconds: Sequence[float]) -> float:
    return sum(map(len, calls)) / sum(seconds)

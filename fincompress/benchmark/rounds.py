"""Rounds of timed calls: models take turns, each in a process of its own that is held loaded."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fincompress.benchmark.process import MeasuredProcess, Start, Subject
from fincompress.config import UserError
from fincompress.evaluation.results import MIN_ROUNDS
from fincompress.machine.locks import hold_to_measure

AFTER_A_TURN = 3  # untimed calls before those of a turn: other models had the caches meanwhile
REFERENCE_RUNS = 50  # calls that tell how much the machine's speed has moved

Logits = NDArray[np.float32]
Calls = Sequence[Sequence[str]]  # the texts of each call


@dataclass
class Timings:
    """All that was measured of one subject: milliseconds, and sentences a second.

    `failed` says what went wrong in its process, which is then asked no more; for one that is
    `needed` that is raised.
    """

    resident: MeasuredProcess
    needed: bool
    failed: str = ""
    start: Start | None = None
    latency: list[float] = field(default_factory=list)
    padded_latency: list[float] = field(default_factory=list)
    throughput: list[float] = field(default_factory=list)
    padded_throughput: list[float] = field(default_factory=list)
    by_batch: dict[int, float] = field(default_factory=dict)
    by_threads: dict[int, float] = field(default_factory=dict)
    logits: dict[str, Logits] = field(default_factory=dict)
    peak_memory_mb: float = 0.0

    @property
    def subject(self) -> Subject:
        return self.resident.subject


def turns(count: int, number: int) -> list[int]:
    """Return in which order `count` subjects take their turns in round `number`.

    Round r begins with subject r mod `count`, and nobody always follows the same one: over `count`
    rounds, if they are even in number, each follows each other equally often. Williams (1949),
    "Experimental designs balanced for the estimation of residual effects of treatments".
    """
    zigzag = [place // 2 if place % 2 == 0 else -(place + 1) // 2 for place in range(count)]
    return [(number + step) % count for step in zigzag]


@contextmanager
def loaded(
    subjects: Sequence[Subject], threads: int, text: str, train: Any, needed: int
) -> Iterator[list[Timings]]:
    """Hold the machine, and a process for each of `subjects` that has answered `text`.

    The first `needed` of them must not fail.
    """
    taken: list[Timings] = []
    with hold_to_measure():
        try:
            for place, subject in enumerate(subjects):
                resident = MeasuredProcess(subject, threads, None if subject.artifact else train)
                taken.append(Timings(resident, place < needed))
            each(taken, lambda own: own.resident.prepare())  # all have before any is timed
            each(taken, partial(_start, threads=threads, text=text))
            yield taken
        finally:
            for own in taken:
                own.resident.stop()


def each(taken: Sequence[Timings], ask: Callable[[Timings], object], number: int = 0) -> None:
    """Ask all, in the order of round `number`; who fails is stopped, and asked no more.

    Raises `UserError` if that one is needed.
    """
    for place in turns(len(taken), number):
        own = taken[place]
        if own.failed:
            continue
        try:
            ask(own)
        except UserError as error:
            if own.needed:
                raise
            own.failed = str(error)
            own.resident.stop()


def _start(own: Timings, threads: int, text: str) -> None:
    own.start = own.resident.start(threads, text)


def ask(own: Timings, calls: Calls) -> list[float]:
    """The seconds of each call."""
    return own.resident.run(calls)[0]


def time_serving(own: Timings, calls: Calls) -> None:
    ask(own, calls[:AFTER_A_TURN])
    own.latency += [1e3 * seconds for seconds in ask(own, calls)]


def time_padded(own: Timings, calls: Calls) -> None:
    own.resident.forward(calls[:AFTER_A_TURN])
    own.padded_latency += [1e3 * seconds for seconds in own.resident.forward(calls)]


def pass_serving(own: Timings, calls: Calls) -> None:
    own.throughput.append(_per_second(own, calls))


def pass_of_size(own: Timings, size: int, calls: Calls) -> None:
    own.by_batch[size] = _per_second(own, calls)


def pass_with_threads(own: Timings, threads: int, calls: Calls) -> None:
    own.resident.start(threads, calls[0][0])
    own.by_threads[threads] = _per_second(own, calls)


def pass_padded(own: Timings, calls: Calls) -> None:
    own.resident.forward(calls[:1])
    own.padded_throughput.append(_rate(calls, own.resident.forward(calls)))


def answer(own: Timings, part: str, calls: Calls) -> None:
    own.logits[part] = own.resident.run(calls)[1]


def weigh(own: Timings) -> None:
    own.peak_memory_mb = own.resident.peak_memory_mb()


def reference_ms(taken: Sequence[Timings], texts: Sequence[str]) -> float:
    """The median of some calls to the first, which tells how fast the machine is now."""
    return 1e3 * float(np.median(ask(taken[0], singles(texts, REFERENCE_RUNS))))


def round_calls(runs: int) -> int:
    """How many of `runs` calls are a round, so that there are at least `MIN_ROUNDS`."""
    return max(1, runs // MIN_ROUNDS)


def rounds(texts: Sequence[str], runs: int) -> Iterator[tuple[int, Calls]]:
    """The number of each round, and its calls with one text."""
    calls, size = singles(texts, runs), round_calls(runs)
    return enumerate(calls[start : start + size] for start in range(0, runs, size))


def singles(texts: Sequence[str], count: int) -> list[list[str]]:
    """`count` calls with one text; when there are no more, the first comes again."""
    return [[texts[i % len(texts)]] for i in range(count)]


def _per_second(own: Timings, calls: Calls) -> float:
    ask(own, calls[:1])
    return _rate(calls, ask(own, calls))


def _rate(calls: Calls, seconds: Sequence[float]) -> float:
    return sum(map(len, calls)) / sum(seconds)

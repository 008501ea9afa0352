"""Processes: calls of an annotator, answered in order by this process or by several others.

Where a model is fast, Python itself takes a good part of the time, and runs on one core.
"""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from fincompress.artifact import Artifact
from fincompress.config import UserError
from fincompress.machine.cpu import usable_cores
from fincompress.prediction.annotation import AddedValues, Annotator, Counts
from fincompress.prediction.model import load_artifact
from fincompress.prediction.records import Record

AHEAD = 2  # calls that wait for each process
PARENT_POLL_S = 1.0

Annotated = tuple[list[Record], Counts]
# Records in lists, each for one call of the model, and the number of rows before them.
Annotate = Callable[[Iterable[list[Record]], int], Iterator[Annotated]]

# Of a process of the pool: texts, and the number of rows before them, to their answers.
_answer: Callable[[Sequence[Any], int], tuple[list[AddedValues], Counts]]


@contextmanager
def open_processes(annotator: Annotator, processes: int, threads: int = 0) -> Iterator[Annotate]:
    """Yield a function that annotates calls of records in order, in so many processes.

    Each of several loads the model anew, for `threads` CPU threads; 0 are its share of the cores.
    Raises `UserError` if one is killed, and whatever the annotator raises.
    """
    if processes == 1:
        yield lambda calls, first: _annotate_here(annotator, calls, first)
        return
    model = annotator.model
    own = threads or max(1, usable_cores() // processes)
    arguments = (model.artifact, model.runtime, annotator.column, annotator.names, own)
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _start, (os.getpid(), *arguments))
    try:
        yield lambda calls, first: _annotate_there(pool, annotator, calls, first, processes)
    except BrokenExecutor:
        raise UserError(
            f"processes: one of {processes} was killed; too little memory may be why: "
            "try --processes 1"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _annotate_here(
    annotator: Annotator, calls: Iterable[list[Record]], first: int
) -> Iterator[Annotated]:
    for records in calls:
        values, counts = annotator.answer(annotator.texts(records), first)
        yield annotator.annotated(records, values), counts
        first += len(records)


def _annotate_there(
    pool: ProcessPoolExecutor,
    annotator: Annotator,
    calls: Iterable[list[Record]],
    first: int,
    processes: int,
) -> Iterator[Annotated]:
    waiting = deque[tuple[list[Record], Future[tuple[list[AddedValues], Counts]]]]()

    def oldest() -> Annotated:
        records, future = waiting.popleft()
        values, counts = future.result()
        return annotator.annotated(records, values), counts

    for records in calls:
        waiting.append((records, pool.submit(_answer_there, annotator.texts(records), first)))
        first += len(records)
        if len(waiting) > AHEAD * processes:
            yield oldest()
    while waiting:
        yield oldest()


def _start(
    parent: int, artifact: Artifact, runtime: str, column: str, names: tuple[str, ...], threads: int
) -> None:
    """Load the model in a process of the pool, which ends when its parent does."""
    global _answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it, too, and ends the pool
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    model = load_artifact(artifact, runtime, "", threads)
    _answer = Annotator(model, column, names).answer


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_S)
    os._exit(1)


def _answer_there(texts: Sequence[Any], first: int) -> tuple[list[AddedValues], Counts]:
    return _answer(texts, first)

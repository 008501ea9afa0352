"""SIGTERM raises an exception, so that what is open is closed; what must be whole holds it back."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

TERMINATED = 128 + signal.SIGTERM  # the exit code of a process that SIGTERM ended
_received = threading.Event()


class Terminated(BaseException):
    """Raised in the main thread by SIGTERM. Not an `Exception`, which handlers would catch."""


def raise_when_terminated() -> None:
    """Make SIGTERM raise `Terminated` in the main thread; to be called from that thread."""
    signal.signal(signal.SIGTERM, _terminate)


def raise_if_terminated() -> None:
    """Raise `Terminated` if SIGTERM has been received.

    For loops that would miss it: Python drops an exception that is raised in a finalizer.
    """
    if _received.is_set():
        raise Terminated


@contextmanager
def held_back() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C wait for the end of the block, which is where they then strike.

    For steps that must not be left half done, such as the opening of a run, which takes as long as
    the store does to answer. Does nothing outside the main thread, the only one that signals
    interrupt.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    handlers = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    for held in handlers:
        signal.signal(held, lambda number, frame: received.append(number))
    try:
        yield
    finally:
        for held, handler in handlers.items():
            signal.signal(held, handler)
        for number in received[:1]:
            signal.raise_signal(number)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    _received.set()
    raise Terminated

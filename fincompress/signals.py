"""SIGTERM: raises an exception, so that runs and files that are open are closed before the end."""

import signal
import threading
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


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    _received.set()
    raise Terminated

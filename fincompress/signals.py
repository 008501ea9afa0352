"""SIGTERM becomes an exception, so that every open run and file is closed on the way out."""

import signal
import threading
from types import FrameType
from typing import NoReturn

TERMINATED = 128 + signal.SIGTERM  # the exit code of a process that it ended
_heard = threading.Event()


class Terminated(BaseException):
    """What SIGTERM raises."""


def raise_when_terminated() -> None:
    signal.signal(signal.SIGTERM, _terminate)


def raise_if_terminated() -> None:
    """Raise what SIGTERM has raised where Python throws exceptions away, as in a finalizer."""
    if _heard.is_set():
        raise Terminated


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    _heard.set()
    raise Terminated

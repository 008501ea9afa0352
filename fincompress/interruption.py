"""SIGTERM becomes an exception, so that every open run and file is closed on the way out."""

import signal
from types import FrameType
from typing import NoReturn

TERMINATED = 128 + signal.SIGTERM  # the exit code of a process that it ended


class Terminated(BaseException):
    """What SIGTERM raises."""


def raise_when_terminated() -> None:
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated

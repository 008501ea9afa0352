"""Locks between processes: one holds a file, and the others wait."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

EVERYBODY = 0o666  # may write it: another user's lock can be waited for, and taken over
SHARED = Path("/tmp")  # by all users, where the temporary folder may be each one's own


@contextmanager
def hold(file: Path, waiting: str = "") -> Iterator[None]:
    """Hold the lock `file`; print `waiting`, once, if another process has it."""
    lock = FileLock(file, mode=EVERYBODY)
    try:
        lock.acquire(timeout=0.1)
    except Timeout:
        if waiting:
            print(waiting, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def hold_to_measure() -> Iterator[None]:
    """Be the only process that measures on this machine, whoever runs the others."""
    shared = os.name == "posix" and SHARED.is_dir() and os.access(SHARED, os.W_OK)
    folder = SHARED if shared else Path(tempfile.gettempdir())
    waiting = "another process is measuring on this machine; waiting for it to end"
    with hold(folder / "fincompress-measuring.lock", waiting):
        yield

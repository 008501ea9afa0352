"""Locks between processes: one process holds a lock file while others wait for it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

EVERYBODY = 0o666  # mode of lock files: another user can wait for them, and reuse them
SHARED = Path("/tmp")  # of all users; the temporary folder may be one for each user


@contextmanager
def hold(file: Path, waiting: str = "") -> Iterator[None]:
    """Hold the lock `file` in the block, after waiting for any other process that holds it.

    `waiting` is printed once if there is one to wait for.
    """
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
    """Let no other process of any user measure on this machine during the block."""
    shared = os.name == "posix" and SHARED.is_dir() and os.access(SHARED, os.W_OK)
    folder = SHARED if shared else Path(tempfile.gettempdir())
    waiting = "another process is measuring on this machine; waiting for it to end"
    with hold(folder / "fincompress-measuring.lock", waiting):
        yield

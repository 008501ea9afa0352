"""Locks between processes: one holds a file, and the others wait."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

EVERYBODY = 0o666  # may write it: another user's lock can be waited for, and taken over


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
def hold_for_machine(name: str, waiting: str) -> Iterator[None]:
    """Hold `name` among all processes of this machine, whoever runs them."""
    with hold(Path(tempfile.gettempdir()) / f"fincompress-{name}.lock", waiting):
        yield

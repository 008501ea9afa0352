"""Failures of single variants: which cost that variant alone, and how a command ends with some."""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from fincompress import search
from fincompress.addresses import reason
from fincompress.spec import UserError
from fincompress.tracking.store import STORE_ERRORS

STORES = (*STORE_ERRORS, *search.SEARCH_ERRORS)
# No `errno` at all: whoever writes or sends the files has errors of its own.
NO_ROOM = (None, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE)
FAILED, SKIPPED = "failed: ", "skipped: "


class IncompleteError(UserError):
    """Some variants failed; all else that was asked for is done."""


def would_repeat(error: Exception) -> bool:
    """Whether `error` is of the store or of the disk, so that no other variant would be spared."""
    return isinstance(error, STORES) or (isinstance(error, OSError) and error.errno in NO_ROOM)


def told(error: Exception) -> str:
    """Return one line of what went wrong; an error that is no `UserError` is named by its type."""
    kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
    return kind + reason(error)


@contextmanager
def spared(failed: dict[str, str], name: str) -> Iterator[None]:
    """Let an error inside cost `name` alone: say it, and put it into `failed`.

    Raises what would repeat.
    """
    try:
        yield
    except Exception as error:
        if would_repeat(error):
            raise
        failed[name] = FAILED + told(error).removeprefix(f"{name}: ")
        print(f"{name}: {failed[name]}", flush=True)


def check_complete(failed: Mapping[str, str]) -> None:
    """Raise `IncompleteError`, with a line for each of `failed`, if there are any.

    These are reasons by variant; each begins with `FAILED` or `SKIPPED`.
    """
    if failed:
        lines = [f"  {name}: {why}" for name, why in failed.items()]
        raise IncompleteError("\n".join(["this failed, and all else was done:", *lines]))

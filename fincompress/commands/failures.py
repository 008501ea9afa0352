"""Failures of single variants: which cost that variant alone, and how a command ends with some."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from fincompress.config import IncompleteError
from fincompress.tracking.errors import STORE_ERRORS, told, would_repeat
from fincompress.tuning.trial_queue import SEARCH_ERRORS

STORES = (*STORE_ERRORS, *SEARCH_ERRORS)
FAILURE_PREFIX, SKIPPED_PREFIX = "failed: ", "skipped: "


@contextmanager
def spare_others(failed: dict[str, str], name: str) -> Iterator[None]:
    """Let an error inside the context cost `name` alone: print it, and put it into `failed`.

    Raises errors of the store and of the disk, which all others would meet too.
    """
    try:
        yield
    except Exception as error:
        if would_repeat(error, STORES):
            raise
        failed[name] = FAILURE_PREFIX + told(error).removeprefix(f"{name}: ")
        print(f"{name}: {failed[name]}", flush=True)


def check_complete(failed: Mapping[str, str]) -> None:
    """Raise `IncompleteError`, with a line for each of `failed`, if there are any.

    These are reasons by variant; each begins with `FAILURE_PREFIX` or `SKIPPED_PREFIX`.
    """
    if failed:
        lines = [f"  {name}: {why}" for name, why in failed.items()]
        raise IncompleteError("\n".join(["this failed, and all else was done:", *lines]))

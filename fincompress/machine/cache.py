"""The cache: folders for files that can be made again, and writing one whole or not at all."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

CACHE_VARIABLE = "FINCOMPRESS_CACHE_DIR"  # environment: a folder to cache in, before the user's own


def cache_folders(kind: str) -> list[Path]:
    """Return the folders for cached files of a `kind`, such as "engines"; they need not exist.

    The first is in the folder that `CACHE_VARIABLE` names, if it names one; the last is in the
    user's own cache, where a served model looks too.
    """
    named = [Path(folder)] if (folder := os.environ.get(CACHE_VARIABLE)) else []
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        caches = Path(tempfile.gettempdir())
    return [folder / kind for folder in [*named, caches / "fincompress"]]


def write_whole(file: Path, content: bytes) -> bool:
    """Write `content` to `file` whole or not at all, and return whether it is written.

    No process ever reads a part of it. Its folder is made if need be. A file that cannot be written
    is no error: what is cached can be made again.
    """
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=file.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
            Path(draft).replace(file)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        return True
    return False

"""Saved models: folders that hold a registered version and answer without a store.

Beside the artifact, as it was registered, a folder has a card, the model in the form that other
libraries read, and `fincompress.json`, the record of all this.
"""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from fincompress.artifact import MANIFEST, Artifact, hash_files, read_artifact, sha256
from fincompress.config import Positive, UserError, dump, nearest, parse, settings
from fincompress.prediction.model import Model, load_artifact

RECORD = "fincompress.json"
FORMAT_VERSION = 1  # of the folder; a newer one may have what this code does not know
ARTIFACT_FOLDER = "artifact"
_MANIFEST = f"{ARTIFACT_FOLDER}/{MANIFEST}"
# A path within the folder: no part of it is hidden, or leads out.
_INSIDE = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*")


@settings
class SavedRecord:
    """What `fincompress.json` says of the folder that it is in.

    `format_version`: how the folder is laid out. `study`, `variant`, `version`: the registered
    version that it holds. `runtime`: the runtime that loads the artifact. `files`: the sha256 of
    every other file, by its path in the folder.
    """

    format_version: Positive
    study: str
    variant: str
    version: Positive
    runtime: str
    files: dict[str, str]

    def __post_init__(self) -> None:
        for name in self.files:
            if not _INSIDE.fullmatch(name):
                raise ValueError(f"files: must be paths inside the folder, not '{name}'")
        if _MANIFEST not in self.files:
            raise ValueError(f"files: must list {_MANIFEST}")

    @property
    def title(self) -> str:
        """The registered version, as shown."""
        return f"fincompress-{self.study} version {self.version} ({self.variant})"


def is_folder(model: str) -> bool:
    """Return whether `model` names a folder, and not an alias, a variant or a version's number.

    It does if it has a path separator, as in `./champion`: so that a folder never stands for an
    alias by chance.
    """
    return model in (".", "..") or bool({"/", os.sep} & set(model))


def folder_name(folder: Path) -> str:
    """Return how a folder is named where a model is."""
    return str(folder) if is_folder(str(folder)) else f".{os.sep}{folder}"


def check_new_folder(folder: Path, option: str = "save") -> None:
    """Raise `UserError` unless `folder` is not there, or is empty and another than the current.

    It names the command's `option`.
    """
    here = folder.resolve() == Path.cwd()
    if here or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UserError(
            f"{option}: '{folder}' is there already, and nothing is overwritten; give another "
            "folder"
        )


def write_record(folder: Path, study: str, variant: str, version: int, runtime: str) -> SavedRecord:
    """Write the record of a folder whose other files are complete, and return it."""
    record = SavedRecord(
        format_version=FORMAT_VERSION,
        study=study,
        variant=variant,
        version=version,
        runtime=runtime,
        files=hash_files(folder),
    )
    text = json.dumps(dump(record), indent=2) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")
    return record


def parse_record(content: bytes, where: str) -> SavedRecord:
    """Return the record that is the `content` of a file; `where` begins every message.

    Raises `UserError` if it is none, or of a newer format than this code knows.
    """
    try:
        data = json.loads(content)
    except ValueError as error:
        raise UserError(f"{where}: must be JSON: {error}") from None
    version = data.get("format_version") if isinstance(data, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise UserError(
            f"{where}: format_version must be at most {FORMAT_VERSION}, not {version}: a newer "
            "release of this package wrote it; install that one"
        )
    return parse(SavedRecord, data, where)


def read_saved_model(folder: Path) -> tuple[SavedRecord, Artifact]:
    """Return the record and the artifact of a saved model, the artifact's files checked.

    Raises `UserError` if the folder is not there or holds none, or if its artifact is not whole.
    """
    file = folder / RECORD
    if not folder.is_dir():
        raise UserError(f"model: there is no folder '{folder}'; {_instead_of(folder)}")
    if not file.is_file():
        raise UserError(
            f"model: the folder '{folder}' is no saved model: it has no {RECORD}; push --save "
            "makes one"
        )
    record = parse_record(file.read_bytes(), str(file))
    check_files(folder, record, [_MANIFEST])  # which hashes the artifact's other files
    return record, read_artifact(folder / ARTIFACT_FOLDER)


def _instead_of(folder: Path) -> str:
    """What might have been meant by a folder that is not there."""
    saved = [path.parent.name for path in folder.parent.glob(f"*/{RECORD}")]
    if saved:
        return nearest(folder.name, saved)
    if len(folder.parts) == 2 and not folder.is_absolute():
        return f"a model of the hub is downloaded by: fincompress pull {folder.as_posix()}"
    return "push --save and pull write such folders"


def check_files(
    folder: Path, record: SavedRecord, names: Iterable[str] = (), where: str = ""
) -> None:
    """Compare files of a saved model with their hashes: those of `names`, or all.

    Messages begin with `where`, or with the folder. Raises `UserError` for the first file that is
    missing or has another hash.
    """
    for name in names or record.files:
        expected, file = record.files[name], folder / name
        if not file.is_file():
            raise UserError(f"{where or folder}: {RECORD} lists '{name}', which is missing")
        if (actual := sha256(file)) != expected:
            raise UserError(
                f"{where or folder}: '{name}' was altered: its sha256 must be {expected}, not "
                f"{actual}"
            )


def load_saved_model(folder: Path, threads: int = 0) -> Model:
    """Load a saved model for `threads` CPU threads; 0 are all that may be used.

    Raises `UserError` as `read_saved_model` does, or for a runtime that is not known here.
    """
    record, artifact = read_saved_model(folder)
    return load_artifact(artifact, record.runtime, f"{record.title} in {folder}", threads)

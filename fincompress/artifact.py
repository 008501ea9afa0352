"""A model becomes a directory that loads alone: its files and a manifest that hashes them."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fincompress.config import Positive, UserError, dump, parse, settings

MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"


@settings
class LayerLayout:
    """One encoder layer: attention heads, and neurons of the feed-forward network."""

    heads: Positive
    ffn: Positive


@settings
class Layout:
    """The shape of an encoder. A head keeps its width when heads are cut; layers may differ."""

    vocabulary: int
    positions: int
    width: int
    head_width: int
    layers: tuple[LayerLayout, ...]
    labels: int


@settings
class Products:
    """Matrix products with weights in a compiled graph: those that run in INT8, and all."""

    int8: int
    total: int

    def __str__(self) -> str:
        return f"{self.int8} of {self.total}"


@settings
class Manifest:
    """What an artifact says of itself. It holds no time and no path: same model, same bytes.

    Nor does it hold anything that is true of one CPU alone. `notes` are the licences and warnings
    of the data and the base it was made from. `files` holds the sha256 of every other file.
    `products` is in artifacts of earlier releases, and no longer written.
    """

    format: str
    layout: Layout
    labels: tuple[str, ...]
    max_length_tokens: int
    technique: str
    fingerprint: str
    parameters: int
    metrics: dict[str, float]
    notes: tuple[str, ...]
    products: Products | None = None
    files: dict[str, str]


@dataclass(frozen=True)
class Artifact:
    """A directory with a manifest. Read-only: nothing writes into it once it exists."""

    path: Path
    manifest: Manifest

    @property
    def size_mb(self) -> float:
        """10^6 bytes of all files that are deployed, tokenizer and manifest included."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file()) / 1e6

    def require_format(self, expected: str) -> None:
        """Raise `UserError` unless the artifact is of the `expected` format."""
        if self.manifest.format != expected:
            raise UserError(
                f"{self.path}: format must be '{expected}', not '{self.manifest.format}'"
            )


def write_artifact(
    out: Path,
    write: Callable[[Path], None],
    facts: Mapping[str, Any],
    check: Callable[["Artifact"], None] = lambda draft: None,
) -> Artifact:
    """Write an artifact in a temporary folder beside `out`, and rename it to `out` at the end.

    `write` puts the files into the folder that it is called with; each is hashed once. `facts` are
    the fields of `Manifest` without `files`. `check` may refuse the finished artifact by raising.
    Raises whatever these two raise, and `OSError` if `out` exists; then nothing new is at `out`.
    """
    with _draft_folder(out) as folder:
        write(folder)
        files = {
            file.relative_to(folder).as_posix(): sha256(file)
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }
        manifest = Manifest(**facts, files=files)
        _write_manifest(folder, manifest)
        check(Artifact(folder, manifest))
        folder.rename(out)
    return Artifact(out, manifest)


def complete_artifact(draft: Artifact, out: Path, **facts: Any) -> Artifact:
    """Move `draft` to `out`, with the fields `facts` of its manifest changed.

    The draft is gone afterwards. No file is hashed again, and none is copied unless `out` is on
    another file system. Raises `OSError` if `out` exists; then nothing new is at `out`.
    """
    manifest = replace(draft.manifest, **facts)
    with _draft_folder(out) as folder:
        folder.rmdir()  # `move` would put the draft inside it
        shutil.move(draft.path, folder)
        _write_manifest(folder, manifest)
        folder.rename(out)
    return Artifact(out, manifest)


@contextmanager
def _draft_folder(out: Path) -> Iterator[Path]:
    """A folder on the file system of `out`, readable by all users; removed if it is not renamed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    text = json.dumps(dump(manifest), indent=2) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def read_artifact(path: Path) -> Artifact:
    """Open an artifact; raise `UserError` unless every file is there and unaltered."""
    try:
        data = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is not an artifact: {error}") from None
    manifest = parse(Manifest, data, f"{path / MANIFEST}")
    for name, expected in manifest.files.items():
        if not (path / name).is_file():
            raise UserError(f"{path / name}: the manifest lists this file, and it is missing")
        if (found := sha256(path / name)) != expected:
            raise UserError(f"{path / name}: altered: sha256 must be {expected}, not {found}")
    return Artifact(path, manifest)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

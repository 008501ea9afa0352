"""Model artifacts: directories that load alone, each with a manifest that hashes its files."""

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
    """The size of one encoder layer.

    `heads`: its attention heads. `ffn`: the neurons of its feed-forward network.
    """

    heads: Positive
    ffn: Positive


@settings
class ConvolutionLayout:
    """The size of one convolution.

    `tokens`: how many neighbours it sees at once. `filters`: its outputs.
    """

    tokens: Positive
    filters: Positive


@settings
class Layout:
    """The shape of an encoder, whose layers may differ in size.

    `vocabulary`: the pieces that its tokenizer has. `positions`: the most tokens that it can read.
    `width`: the size of a token's hidden state. `head_width`: that of an attention head, which
    stays the same when heads are pruned. `layers`: the size of each. `labels`: how many classes it
    tells apart. `convolutions`: of an encoder without layers, the convolutions that stand side by
    side over its embeddings. `residual_convolutions`: how many stand before those, each with a
    residual connection. `embeddings`: how many pieces have one of their own, where not all do;
    the others share that of unknown words.
    """

    vocabulary: int
    positions: int
    width: int
    head_width: int
    layers: tuple[LayerLayout, ...]
    labels: int
    convolutions: tuple[ConvolutionLayout, ...] = ()
    residual_convolutions: int = 0
    embeddings: int | None = None


@settings
class Products:
    """Matrix products with weights in a compiled graph.

    `int8`: those that run in INT8. `total`: all.
    """

    int8: int
    total: int

    def __str__(self) -> str:
        return f"{self.int8} of {self.total}"


@settings
class Manifest:
    """What an artifact is. The same model has the same bytes: no time, no path, nothing of a CPU.

    `format`: how its weights are stored (`torch`, `onnx`, `openvino`). `layout`: the shape of its
    encoder. `labels`: the names of its classes, in the order of its logits. `max_length_tokens`:
    where its tokenizer truncates. `technique`: what made it. `fingerprint`: 16 hex digits of the
    recipe that it was built by. `parameters`: how many weights it has. `metrics`: its scores on
    validation, such as `val/macro_f1`. `notes`: licences and warnings of the data and of the base
    that it was made from. `products`: in artifacts of earlier releases, and no longer written.
    `files`: the sha256 of every other file, by its path in the directory.
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
    """A model on disk. Nothing writes into its directory once it exists.

    `path`: the directory. `manifest`: what it has in `manifest.json`.
    """

    path: Path
    manifest: Manifest

    @property
    def size_mb(self) -> float:
        """The size of all files, tokenizer and manifest included, in MB of 10^6 bytes."""
        return folder_mb(self.path)

    def require_format(self, expected: str) -> None:
        """Raise `UserError` unless the manifest's format is `expected`."""
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
    Raises whatever these two raise, and `OSError` if `out` has files already, which then stay.
    """
    with draft_folder(out) as folder:
        write(folder)
        manifest = Manifest(**facts, files=hash_files(folder))
        _write_manifest(folder, manifest)
        check(Artifact(folder, manifest))
        folder.rename(out)
    return Artifact(out, manifest)


def complete_artifact(draft: Artifact, out: Path, **facts: Any) -> Artifact:
    """Move `draft` to `out`, with the fields `facts` of its manifest changed.

    The draft is gone afterwards. No file is hashed again, and none is copied unless `out` is on
    another file system. Raises `OSError` if `out` has files already, which then stay.
    """
    manifest = replace(draft.manifest, **facts)
    with draft_folder(out) as folder:
        folder.rmdir()  # `move` would put the draft inside it
        shutil.move(draft.path, folder)
        _write_manifest(folder, manifest)
        folder.rename(out)
    return Artifact(out, manifest)


@contextmanager
def draft_folder(out: Path) -> Iterator[Path]:
    """Open a folder on the file system of `out`, readable by all users, to be renamed to `out`.

    It is removed at the end if it was not renamed.
    """
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
    """Return the artifact in the directory `path`, after a check of every file's hash.

    Raises `UserError` if there is no valid manifest, or if a file is missing or was altered.
    """
    try:
        data = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is not an artifact: {error}") from None
    manifest = parse(Manifest, data, f"{path / MANIFEST}")
    for name, expected in manifest.files.items():
        if not (path / name).is_file():
            raise UserError(f"{path / name}: the manifest lists this file, and it is missing")
        if (actual := sha256(path / name)) != expected:
            raise UserError(f"{path / name}: altered: sha256 must be {expected}, not {actual}")
    return Artifact(path, manifest)


def folder_mb(folder: Path) -> float:
    """Return the size of all files in a folder, in MB of 10^6 bytes."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def hash_files(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file in a folder, by its path there with `/`, in their order."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {file.relative_to(folder).as_posix(): sha256(file) for file in files}


def sha256(path: Path) -> str:
    """Return the sha256 of a file in 64 hex digits; raise `OSError` if it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

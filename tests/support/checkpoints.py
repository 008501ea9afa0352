"""Checkpoints to import, and ways to spoil them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from fincompress.artifact import Artifact
from fincompress.models.checkpoint import Base, import_checkpoint
from fincompress.models.storage import WEIGHTS


def imported(folder: Path, seed: int = 0, max_length: int = 32, **base: Any) -> Artifact:
    out = folder.parent / f"artifact-{len(list(folder.parent.iterdir()))}"
    return import_checkpoint(Base(folder=str(folder), **base), max_length, seed, out)


def configure(folder: Path, *dropped: str, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text()) | changes
    config = {key: value for key, value in config.items() if key not in dropped}
    (folder / "config.json").write_text(json.dumps(config))


def rewrite(folder: Path, change: Callable[[str, Tensor], tuple[str, Tensor] | None]) -> None:
    """Replace the weights by `change` of each; None drops one."""
    pairs = (change(name, tensor) for name, tensor in load_file(folder / WEIGHTS).items())
    save_file(dict(pair for pair in pairs if pair is not None), folder / WEIGHTS)

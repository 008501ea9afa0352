"""A name becomes a runtime: each module here is one."""

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from fincompress.artifact import Artifact
from fincompress.spec import UserError, nearest


class Predictor(Protocol):
    """Raw texts become logits, float32 (n, labels), in the order of the texts."""

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


class Runtime(Protocol):
    """The shape of a runtime module."""

    def load(self, artifact: Artifact, threads: int) -> Predictor:
        """Load for `threads` CPU threads; raise `UserError` for a format it cannot run."""
        ...


def runtime_names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_runtime(name: str) -> Runtime:
    """Return the runtime of that name; raise `UserError` if there is none."""
    known = runtime_names()
    if name not in known:
        raise UserError(f"runtime: unknown runtime '{name}'; {nearest(name, known)}")
    return cast(Runtime, importlib.import_module(f"{__name__}.{name}"))

"""FinCompress: compress a financial-sentiment classifier for CPU inference, tracked in MLflow.

In Python, `fincompress.load("champion", study="cpu").predict(["Profit rose 12 % ."])` is what the
command `fincompress predict` does.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fincompress.tracking.loading import load as load

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: MLflow takes a second to import."""
    if name == "load":
        from fincompress.tracking.loading import load

        return load
    raise AttributeError(f"module 'fincompress' has no attribute '{name}'")

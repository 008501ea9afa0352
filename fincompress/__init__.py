"""FinCompress: compress a BERT text classifier for CPU inference, tracked in MLflow.

In Python, as on the command line:

    import fincompress

    fincompress.run("main", study="cpu")                  # any verb with its options
    fincompress.Study.load("cpu").benchmark.threads       # what a study file says
    fincompress.load("champion", study="cpu").predict(["Profit rose 12 % ."])
    fincompress.load("./champion")                        # a folder that push or pull has written
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fincompress.cli import run as run
    from fincompress.studies.study import Study as Study
    from fincompress.tracking.loading import load as load

__version__ = "0.1.0"
__all__ = ["Study", "load", "run"]


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: MLflow takes a second to import, and PyTorch more."""
    if name == "load":
        from fincompress.tracking.loading import load

        return load
    if name == "run":
        from fincompress.cli import run

        return run
    if name == "Study":
        from fincompress.studies.study import Study

        return Study
    raise AttributeError(f"module 'fincompress' has no attribute '{name}'")

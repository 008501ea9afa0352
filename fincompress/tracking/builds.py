"""Earlier builds: what they took, read back from their runs, to say what the next will take."""

import socket
from dataclasses import dataclass

from mlflow.entities import Run

from fincompress.tracking import runs

WORK = "build/training_amount"  # see `PastBuild.work`
ARTIFACT_MB = "build/artifact_mb"
MEMORY_MB = "build/peak_memory_mb"


@dataclass(frozen=True)
class PastBuild:
    """A finished build of a variant.

    `study`, `variant`, `technique`: what was built. `seconds`: how long it took. `here`: whether it
    was on this machine. `work`: sentences in an epoch times epochs times the base's parameters, by
    which builds of different studies are compared; None in runs of earlier releases. `artifact_mb`:
    the artifact's size. `memory_mb`: the peak memory of the process until its end. Both are in 10^6
    bytes, and None where they are unknown.
    """

    study: str
    variant: str
    technique: str
    seconds: float
    here: bool
    work: float | None = None
    artifact_mb: float | None = None
    memory_mb: float | None = None


def past_builds() -> list[PastBuild]:
    """Return the finished builds of variants in all studies of the store, the newest first."""
    return [_past_build(run) for run in runs.finished("build") if run.info.end_time]


def past_benchmark_seconds(study: str) -> float | None:
    """Return how long the study's last benchmark on this machine took; None if there is none."""
    found = runs.finished("benchmark", study=study, measured="all")
    return next((_seconds(run) for run in found if run.info.end_time and _is_here(run)), None)


def _past_build(run: Run) -> PastBuild:
    tags, metrics = runs.own_tags(run), run.data.metrics
    return PastBuild(
        study=tags.get("study", ""),
        variant=tags.get("variant", ""),
        technique=tags.get("technique", ""),
        seconds=_seconds(run),
        here=_is_here(run),
        work=metrics.get(WORK),
        artifact_mb=metrics.get(ARTIFACT_MB),
        memory_mb=metrics.get(MEMORY_MB),
    )


def _seconds(run: Run) -> float:
    return float(run.info.end_time - run.info.start_time) / 1000


def _is_here(run: Run) -> bool:
    host, _, _ = str(run.data.tags.get(runs.PROCESS, "")).partition(":")
    return host == socket.gethostname()

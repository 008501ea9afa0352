"""Searches whose workers run in this process, and their runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count as numbers
from typing import Any

import mlflow
import pytest
from mlflow.entities import Run

from fincompress.commands import tune
from fincompress.tuning import trial
from fincompress.tuning.trial import Job
from tests.support.runs import runs

VANILLA = ["tune", "--study", "tiny", "--variant", "student_vanilla_kd"]
PRUNED = ["tune", "--study", "tiny", "--variant", "pruned_teacher_30pct"]


@contextmanager
def in_this_process() -> Iterator[None]:
    """Workers are not processes, and latencies not measured: they are 10, 5, 3.3 ... ms."""

    def run_here(job: Job, count: int) -> None:
        while (taken := trial.claim_next_trial(job)) is not None:
            trial.run_trial(job, taken)

    shares = numbers(1)

    def latencies(*_: object) -> list[tuple[float, ...]]:
        """Of two rounds: in the other everything takes ten times as long."""
        own = 10.0 / next(shares)
        return [(own, 10 * own), (5.0, 50.0)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tune, "run_workers", run_here)
        patch.setattr(trial, "median_latencies", latencies)
        patch.setattr(tune, "median_latencies", lambda *_: [(5.0,)])
        yield


def study_run(variant: str) -> Run:
    (found,) = (run for run in runs("tune") if run.info.run_name == f"tune {variant}")
    return found


def trial_runs(variant: str) -> list[Run]:
    parent = study_run(variant).info.run_id
    found = [r for r in runs("tune") if r.data.tags.get("mlflow.parentRunId") == parent]
    return sorted(found, key=lambda run: int(run.data.tags["fincompress.trial"]))


def table(variant: str) -> list[dict[str, Any]]:
    found = mlflow.artifacts.load_dict(f"runs:/{study_run(variant).info.run_id}/trials.json")
    return [dict(zip(found["columns"], row, strict=True)) for row in found["data"]]

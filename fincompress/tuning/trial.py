"""Trials of a search: a worker builds, scores and times each in an MLflow run of its own."""

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import cast

import torch

from fincompress.artifact import Artifact
from fincompress.benchmark.process import Subject
from fincompress.benchmark.protocol import Timing, median_latencies
from fincompress.build import build, plan
from fincompress.callbacks import Chart, Heatmap, StopTraining
from fincompress.config import dump
from fincompress.evaluation.metrics import paired_ratio
from fincompress.evaluation.results import P50, SPEEDUP_VS_SOURCE, VAL_F1
from fincompress.machine.console import configure_output
from fincompress.reports.build_run import RunCallback, log_artifact, log_recipe
from fincompress.signals import TERMINATED, Terminated, raise_if_terminated, raise_when_terminated
from fincompress.studies.search_space import Choices, Range, Scalar, Space, tidy
from fincompress.studies.variants import VariantSpec
from fincompress.techniques import Inputs
from fincompress.tracking import runs
from fincompress.tracking.errors import STORE_ERRORS, told, would_repeat
from fincompress.tracking.store import TRIALS_EXPERIMENT, lock, quieten
from fincompress.tuning import trial_queue
from fincompress.tuning.objective import TrialMeasurement
from fincompress.tuning.trial_queue import Search, Trial


@dataclass(frozen=True)
class Reference:
    """A model that every trial is timed against, in alternating calls.

    Trials run minutes apart on a machine whose speed drifts, so a trial's latency is that of the
    reference when the search began over the trial's speed-up.

    `subject`: what is timed. `latency_ms`: its median latency, in ms, when the search began.
    """

    subject: Subject
    latency_ms: float


@dataclass(frozen=True)
class Job:
    """What a worker process needs to run trials; it is pickled and sent to it.

    `study`: the name of the study. `title`: what figures of a trial are headed with. `note`: the
    description of each trial's run. `run_id`: the MLflow run of the search, their parent.
    `search`: the search they belong to. `trials`: how many slots the queue has for this command.
    `spec`: the variant, with its own config. `inputs`: what every trial is built from.
    `data_fingerprint`: the hash of the splits. `teacher_f1`: the teacher's macro-F1 on validation,
    from which `max_f1_drop` counts. `timing`: how latency is measured. `reference`: what trials are
    timed against, None if the goal needs no latency. `threads`: CPU threads of each worker.
    `scratch`: the folder for temporary files.
    """

    study: str
    title: str
    note: str
    run_id: str
    search: Search
    trials: int
    spec: VariantSpec
    inputs: Inputs
    data_fingerprint: str
    teacher_f1: float
    timing: Timing
    reference: Reference | None
    threads: int
    scratch: Path


def run_worker(job: Job, log: Path) -> None:
    """Run trials until no slot of the queue is free; this is what a worker process does.

    What it prints goes into the file `log`. It ends with the exit code of a terminated process if
    it is told to stop, and with 1 at an error that every other trial would meet too.
    """
    _prepare_process(log)
    torch.set_num_threads(job.threads)
    quieten()
    try:
        while (trial := claim_next_trial(job)) is not None:
            run_trial(job, trial)
            raise_if_terminated()
    except Terminated:
        raise SystemExit(TERMINATED) from None


def claim_next_trial(job: Job) -> Trial | None:
    """Claim the next free slot, one process of this machine at a time; None if none is free."""
    with lock(job.search.name, say=False):
        return trial_queue.claim_trial(job.search, job.trials)


def _prepare_process(log: Path) -> None:
    """Redirect output to `log`, leave Ctrl-C to the parent process, and exit when that ends."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    configure_output(encoding="utf-8")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise_when_terminated()
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker is a process of its own"

    def follow() -> None:
        parent.join()
        os._exit(1)  # its trial misses its heartbeats, and is queued again

    threading.Thread(target=follow, daemon=True).start()


def run_trial(job: Job, trial: Trial) -> None:
    """Run one trial and record its result, that it was pruned, or its failure.

    Raises an error of the store or of the disk, which the next trial would meet too, after the
    trial was queued again.
    """
    tags = {
        "stage": "tune",
        "study": job.study,
        "variant": job.spec.name,
        "technique": job.spec.technique,
        "trial": str(trial.number),
    }
    try:
        with (
            trial_queue.heartbeat(job.search, trial),
            runs.step(
                f"trial {trial.number}",
                tags,
                job.note,
                under=job.run_id,
                experiment=TRIALS_EXPERIMENT,
            ) as run_id,  # fmt: skip
        ):
            trial_queue.link(trial, run_id, runs.run_url(run_id))
            measured = _try(job, trial)
            trial_queue.record_result(job.search, trial, measured, job.teacher_f1)
    except StopTraining:
        trial_queue.record_pruned(trial)
    except trial_queue.GivenUp:
        return  # it missed its heartbeats, and a new trial of its slot is queued
    except Exception as error:
        # What every other trial would meet too ends the search.
        if would_repeat(error, (*STORE_ERRORS, *trial_queue.SEARCH_ERRORS)):
            trial_queue.requeue(job.search, trial)
            raise
        trial_queue.record_failure(trial, told(error))
    except BaseException:  # terminated
        trial_queue.requeue(job.search, trial)
        raise


def _try(job: Job, trial: Trial) -> TrialMeasurement:
    """Build the trial and measure it: its latency, too, if the goal needs that."""
    spec = job.spec.tuned(suggest(trial, job.search.space))
    recipe = plan(job.inputs, spec.config, job.data_fingerprint)
    log_recipe(spec, recipe)
    with TemporaryDirectory(dir=job.scratch) as folder:
        resolved = Path(folder) / "config.json"
        resolved.write_text(json.dumps(dump(recipe.config), indent=2), encoding="utf-8")
        trial_queue.attach_file(trial, resolved)
        title = f"{job.title}, trial {trial.number}"
        report = TrialCallback(RunCallback(spec.name, title, Path(folder) / "figures"), job, trial)
        artifact = build(recipe, Path(folder) / "artifact", report)
        log_artifact(artifact, spec.runtime)
        latency_ms = _latency_ms(job, artifact, job.reference) if job.reference else None
        size_mb = artifact.size_mb  # while its files are there
    return TrialMeasurement(artifact.manifest.metrics[VAL_F1], size_mb, latency_ms)


def suggest(trial: Trial, space: Space) -> dict[str, Scalar]:
    """Draw a value for each dimension of `space` with the search's sampler; return them by key."""
    return {name: _draw(trial, name, dimension) for name, dimension in space.items()}


def _draw(trial: Trial, name: str, dimension: Range | Choices) -> Scalar:
    if isinstance(dimension, Choices):
        return cast(Scalar, trial.suggest_categorical(name, dimension.choices))
    low, high, log = dimension.low, dimension.high, dimension.log
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, step=int(dimension.step or 1), log=log)
    return tidy(trial.suggest_float(name, low, high, step=dimension.step, log=log))


def _latency_ms(job: Job, artifact: Artifact, reference: Reference) -> float:
    """Time the trial against the reference and log both; return its corrected latency in ms."""
    subject = Subject(job.spec.name, None, job.spec.runtime, artifact)
    texts = job.inputs.val.texts
    trial_ms, reference_ms = median_latencies([subject, reference.subject], texts, job.timing)
    speedup, _ = paired_ratio(reference_ms, trial_ms)
    latency_ms = reference.latency_ms / speedup
    runs.log_metrics(
        {
            P50: latency_ms,
            f"{P50}_raw": median(trial_ms),
            f"{P50}_of_reference": median(reference_ms),
            SPEEDUP_VS_SOURCE: speedup,
        }
    )
    return latency_ms


@dataclass(frozen=True)
class TrialCallback:
    """The callback of a trial: logs into its run, and stops training early when it is pruned.

    `run`: logs into the trial's MLflow run. `job`: what the worker runs. `trial`: which trial.
    """

    run: RunCallback
    job: Job
    trial: Trial

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        raise_if_terminated()
        self.run(step, metrics)
        if VAL_F1 not in metrics or not self.job.search.stops_early:
            return
        poor = trial_queue.unpromising(self.trial, step, metrics[VAL_F1])
        if poor and step < self.job.inputs.budget.epochs:
            raise StopTraining(
                f"after epoch {step} among the worst quarter of the trials before it"
            )

    def show(self, name: str, figure: Chart | Heatmap) -> None:
        trial_queue.attach_file(self.trial, self.run.draw(name, figure))

    def record(self, name: str, facts: Mapping[str, object]) -> None:
        self.run.record(name, facts)

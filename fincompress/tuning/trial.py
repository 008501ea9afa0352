"""A worker's job becomes trials: each an MLflow run, a build that nobody registers, an outcome."""

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
from fincompress.tracking.store import lock, quieten
from fincompress.tuning import trial_queue
from fincompress.tuning.trial_queue import Search, Trial


@dataclass(frozen=True)
class Reference:
    """A model beside which trials are timed, and its latency when the study began.

    Trials minutes apart are compared by how much faster than it they are.
    """

    subject: Subject
    latency_ms: float


@dataclass(frozen=True)
class Job:
    """All that a worker must know, sent to its process."""

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


def work(job: Job, log: Path) -> None:
    """The life of a worker process: trial after trial, until no place is free."""
    _prepare_process(log)
    torch.set_num_threads(job.threads)
    quieten()
    try:
        while (trial := take(job)) is not None:
            run_trial(job, trial)
            raise_if_terminated()
    except Terminated:
        raise SystemExit(TERMINATED) from None


def take(job: Job) -> Trial | None:
    with lock(job.search.name, say=False):
        return trial_queue.claim(job.search, job.trials)


def _prepare_process(log: Path) -> None:
    """Print into `log`, leave Ctrl-C to the parent, and end when it does."""
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
        os._exit(1)  # its trial is found without a sign of life, and queued again

    threading.Thread(target=follow, daemon=True).start()


def run_trial(job: Job, trial: Trial) -> None:
    """Run one trial to its end, whatever that is; raise only what would end the next one too."""
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
            runs.step(f"trial {trial.number}", tags, job.note, under=job.run_id) as run_id,
        ):
            trial_queue.link(trial, run_id, runs.address(run_id))
            f1, latency_ms = _try(job, trial)
            trial_queue.finish(job.search, trial, f1, latency_ms, job.teacher_f1)
    except StopTraining:
        trial_queue.stop(trial)
    except trial_queue.GivenUp:
        return  # it was silent for too long, and another one has been queued
    except Exception as error:
        # What no other trial would be spared ends the study.
        if would_repeat(error, (*STORE_ERRORS, *trial_queue.SEARCH_ERRORS)):
            trial_queue.put_back(job.search, trial)
            raise
        trial_queue.fail(trial, told(error))
    except BaseException:  # terminated
        trial_queue.put_back(job.search, trial)
        raise


def _try(job: Job, trial: Trial) -> tuple[float, float | None]:
    """Return the trial's validation macro-F1 and, if the study asks for it, its latency in ms."""
    spec = job.spec.tuned(suggest(trial, job.search.space))
    recipe = plan(job.inputs, spec.config, job.data_fingerprint)
    log_recipe(spec, recipe)
    with TemporaryDirectory(dir=job.scratch) as folder:
        resolved = Path(folder) / "config.json"
        resolved.write_text(json.dumps(dump(recipe.config), indent=2), encoding="utf-8")
        trial_queue.keep_file(trial, resolved)
        title = f"{job.title}, trial {trial.number}"
        report = TrialCallback(RunCallback(spec.name, title, Path(folder) / "figures"), job, trial)
        artifact = build(recipe, Path(folder) / "artifact", report)
        log_artifact(artifact, spec.runtime)
        latency_ms = _latency_ms(job, artifact, job.reference) if job.reference else None
    return artifact.manifest.metrics[VAL_F1], latency_ms


def suggest(trial: Trial, space: Space) -> dict[str, Scalar]:
    """Draw a value for each dimension."""
    return {name: _draw(trial, name, dimension) for name, dimension in space.items()}


def _draw(trial: Trial, name: str, dimension: Range | Choices) -> Scalar:
    if isinstance(dimension, Choices):
        return cast(Scalar, trial.suggest_categorical(name, dimension.choices))
    low, high, log = dimension.low, dimension.high, dimension.log
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, step=int(dimension.step or 1), log=log)
    return tidy(trial.suggest_float(name, low, high, step=dimension.step, log=log))


def _latency_ms(job: Job, artifact: Artifact, reference: Reference) -> float:
    own = Subject(job.spec.name, None, job.spec.runtime, artifact)
    texts = job.inputs.val.texts
    taken, beside = median_latencies([own, reference.subject], texts, job.timing)
    times_as_fast, _ = paired_ratio(beside, taken)
    latency_ms = reference.latency_ms / times_as_fast
    runs.log_metrics({
        P50: latency_ms, f"{P50}_raw": median(taken), f"{P50}_of_reference": median(beside),
        SPEEDUP_VS_SOURCE: times_as_fast,
    })  # fmt: skip
    return latency_ms


@dataclass(frozen=True)
class TrialCallback:
    """What a technique reports goes into the trial's run, and to whoever may stop it."""

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
        trial_queue.keep_file(self.trial, self.run.draw(name, figure))

    def record(self, name: str, facts: Mapping[str, object]) -> None:
        self.run.record(name, facts)

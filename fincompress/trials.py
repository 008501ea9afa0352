"""A worker's job becomes trials: each an MLflow run, a build that nobody registers, an outcome."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from fincompress import search
from fincompress.artifact import Artifact
from fincompress.build import build, plan
from fincompress.evaluation.benchmark import Subject, Timing, median_latencies
from fincompress.evaluation.measurement import P50, VAL_F1
from fincompress.experiments import VariantSpec
from fincompress.interruption import raise_when_terminated
from fincompress.reporting import Chart, Heatmap, Stop
from fincompress.search import Search, Trial
from fincompress.spec import UserError
from fincompress.techniques import Inputs
from fincompress.tracking import runs
from fincompress.tracking.store import STORE_ERRORS, quieten, reason
from fincompress.workshop import RunReport, log_manifest, log_recipe

# What no other trial would be spared: the study stops, and the trial is queued again.
OUT_OF_ORDER = (OSError, *STORE_ERRORS, *search.SEARCH_ERRORS)


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
    while (trial := search.claim(job.search, job.trials)) is not None:
        _run(job, trial)


def _prepare_process(log: Path) -> None:
    """Print into `log`, leave Ctrl-C to the parent, and end when it does."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise_when_terminated()
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker is a process of its own"

    def follow() -> None:
        parent.join()
        os._exit(1)  # its trial is found without a sign of life, and queued again

    threading.Thread(target=follow, daemon=True).start()


def _run(job: Job, trial: Trial) -> None:
    tags = {
        "stage": "tune",
        "study": job.study,
        "variant": job.spec.name,
        "technique": job.spec.technique,
        "trial": str(trial.number),
    }
    try:
        with (
            search.heartbeat(job.search, trial),
            runs.step(f"trial {trial.number}", tags, job.note, under=job.run_id) as run_id,
        ):
            search.link(trial, run_id, runs.address(run_id))
            f1, latency_ms = _try(job, trial)
            search.finish(job.search, trial, f1, latency_ms, job.teacher_f1)
    except Stop:
        search.stop(trial)
    except OUT_OF_ORDER:
        search.put_back(trial)
        raise
    except UserError as error:
        search.fail(trial, str(error))
    except Exception as error:
        search.fail(trial, f"{type(error).__name__}: {reason(error)}")
    except BaseException:  # terminated
        search.put_back(trial)
        raise


def _try(job: Job, trial: Trial) -> tuple[float, float | None]:
    """Return the trial's validation macro-F1 and, if the study asks for it, its latency in ms."""
    spec = job.spec.tuned(search.suggest(trial, job.search.space))
    recipe = plan(job.inputs, spec.config, job.data_fingerprint)
    log_recipe(spec, recipe)
    with TemporaryDirectory(dir=job.scratch) as folder:
        title = f"{job.title}, trial {trial.number}"
        report = TrialReport(RunReport(spec.name, title, Path(folder) / "figures"), job, trial)
        artifact = build(recipe, Path(folder) / "artifact", report)
        log_manifest(artifact.manifest)
        latency_ms = _latency_ms(job, artifact, job.reference) if job.reference else None
    return artifact.manifest.metrics[VAL_F1], latency_ms


def _latency_ms(job: Job, artifact: Artifact, reference: Reference) -> float:
    own = Subject(job.spec.name, None, job.spec.runtime, artifact)
    texts = job.inputs.val.texts
    taken, beside = median_latencies([own, reference.subject], texts, job.timing)
    latency_ms = reference.latency_ms * taken / beside
    runs.log_metrics({P50: latency_ms, f"{P50}_raw": taken, f"{P50}_of_reference": beside})
    return latency_ms


@dataclass(frozen=True)
class TrialReport:
    """What a technique reports goes into the trial's run, and to whoever may stop it."""

    run: RunReport
    job: Job
    trial: Trial

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        self.run(step, metrics)
        if VAL_F1 not in metrics or not self.job.search.stops_early:
            return
        if search.unpromising(self.trial, step, metrics[VAL_F1]):
            raise Stop(f"after epoch {step} below the median of the trials before it")

    def show(self, name: str, figure: Chart | Heatmap) -> None:
        search.keep_file(self.trial, self.run.draw(name, figure))

    def record(self, name: str, facts: Mapping[str, object]) -> None:
        self.run.record(name, facts)

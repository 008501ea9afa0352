"""Queue of trials of a search, kept in an Optuna study; the only file that imports Optuna.

A search has a queue with one slot for each trial requested, and every worker claims the next free
slot. If a trial's process dies, its slot gets a new trial; the last trial of a slot counts.
"""

import logging
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import optuna
import optuna_dashboard
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.exceptions import ExperimentalWarning, OptunaError, UpdateFinishedTrialError
from optuna.storages import BaseStorage as BaseStorage
from optuna.storages import RDBStorage, get_storage
from optuna.storages._heartbeat import get_heartbeat_thread
from optuna.study import Study as Study
from optuna.trial import FrozenTrial, TrialState
from optuna.trial import Trial as Trial
from optuna.visualization import matplotlib as plots
from sqlalchemy.exc import SQLAlchemyError

from fincompress.config import UserError, dump, parse
from fincompress.studies.search_space import Scalar, Space, tidy
from fincompress.tracking.addresses import connect_args, masked, probe, reason
from fincompress.tuning import DASHBOARD_PORT
from fincompress.tuning.objective import DISK, F1, LATENCY, Goal, Outcome, TrialMeasurement, best

SEARCH_ERRORS = (OptunaError, SQLAlchemyError)
GivenUp = UpdateFinishedTrialError  # raised where a trial missed its heartbeats and was ended
ARTIFACTS = Path("mlruns") / "optuna"
HEARTBEAT_S, GRACE_S = 10, 60  # a trial without a heartbeat for `GRACE_S` is lost
RETRIES = 3  # of a trial whose process dies: one that kills every process must end, too
STARTUP = 5  # trials, the variant's own config among them, before the samplers and pruners judge
# Attributes of an Optuna study or of its trials; the dashboard shows them.
GOAL, RUN, SLOT, DEATHS, ERROR = "goal", "mlflow_run_id", "place", "deaths", "error"
FEASIBLE = "meets the constraint"


@dataclass(frozen=True)
class Search:
    """An Optuna study of one variant: how it is found, and how its trials are drawn.

    `name`: the name of the Optuna study. `storage`: the open storage that holds it. `space`: what
    trials draw their values from. `goal`: objectives and constraints. `seed`: of the samplers.
    """

    name: str
    storage: BaseStorage
    space: Space
    goal: Goal
    seed: int

    @property
    def stops_early(self) -> bool:
        """Whether poor trials are pruned: only where macro-F1 is the single objective."""
        return list(self.goal.objectives) == [F1]

    def study(self, slot: int = 0) -> Study:
        """Load the Optuna study, with a sampler seeded for this slot of the queue."""
        # Of the worst quarter, from the second epoch on: an epoch's F1 is noisy.
        pruner = optuna.pruners.PercentilePruner(75, n_startup_trials=STARTUP, n_warmup_steps=2)
        return optuna.load_study(
            study_name=self.name, storage=self.storage,
            sampler=optuna.samplers.TPESampler(seed=self.seed + slot, n_startup_trials=STARTUP),
            pruner=pruner if self.stops_early else optuna.pruners.NopPruner(),
        )  # fmt: skip


def open_storage(url: str, lost: Callable[[str], None] | None = None) -> BaseStorage:
    """Open the storage of Optuna studies at the address `url`, and create it if there is none.

    `lost` is called with the id of the MLflow run of each trial that misses its heartbeats. Raises
    `UserError` if the storage does not answer within seconds.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    warnings.simplefilter("ignore", ExperimentalWarning)  # the retries and the plots
    try:
        probe(url)
        storage = RDBStorage(
            url, engine_kwargs={"connect_args": connect_args(url)},
            heartbeat_interval=HEARTBEAT_S, grace_period=GRACE_S,
            heartbeat_stale_trial_callback=partial(_give_up, lost),
        )  # fmt: skip
    except Exception as error:  # SQLAlchemy's, the driver's and Optuna's own
        why = reason(error.__cause__ or error)
        raise UserError(f"storage {masked(url)}: does not answer: {why}") from None
    return get_storage(storage)  # with a cache of trials that have ended


def _give_up(lost: Callable[[str], None] | None, study: Study, trial: FrozenTrial) -> None:
    if (deaths := trial.user_attrs.get(DEATHS, 0) + 1) <= RETRIES:
        _queue_again(study, trial, deaths)
    if lost and RUN in trial.user_attrs:
        lost(trial.user_attrs[RUN])


def _queue_again(study: Study, trial: FrozenTrial, deaths: int) -> None:
    """Queue a new trial for the slot of `trial`, with the values that it was given or has drawn."""
    values = trial.system_attrs.get("fixed_params", {}) | trial.params
    attributes = {SLOT: trial.user_attrs[SLOT], DEATHS: deaths}
    study.enqueue_trial(values, user_attrs=attributes)


def _is_lost(trial: FrozenTrial) -> bool:
    """Whether the trial's process died, and its slot still needs a new trial."""
    given_up = ERROR in trial.user_attrs or trial.user_attrs.get(DEATHS, 0) >= RETRIES
    return trial.state is TrialState.FAIL and not given_up


def prepare(search: Search, own: Mapping[str, Scalar], trials: int) -> None:
    """Create the Optuna study if there is none, and fill its queue up to `trials` slots.

    Slot 0 tries the variant's `own` values. Trials that were lost, and a failed one in slot 0, are
    queued again.
    """
    study = optuna.create_study(
        study_name=search.name, storage=search.storage, load_if_exists=True,
        directions=list(search.goal.objectives.values()),
    )  # fmt: skip
    study.set_metric_names(list(search.goal.objectives))
    study.set_user_attr(GOAL, dump(search.goal))
    queued = trials_by_slot(study)
    for slot, trial in queued.items():
        # What made the variant's own config fail may have been fixed since.
        if _is_lost(trial) or (slot == 0 and trial.state is TrialState.FAIL):
            _queue_again(study, trial, 0)
    for slot in range(len(queued), trials):
        study.enqueue_trial(dict(own) if slot == 0 else {}, user_attrs={SLOT: slot})


def retry_lost(search: Search) -> None:
    """End the trials that missed their heartbeats, and queue them again."""
    optuna.storages.fail_stale_trials(search.study())


def trials_by_slot(study: Study) -> dict[int, FrozenTrial]:
    """Return the trial that counts for each slot: its last one."""
    trials = study.get_trials(deepcopy=False)
    return {t.user_attrs[SLOT]: t for t in trials if SLOT in t.user_attrs}


def claim_trial(search: Search, trials: int) -> Trial | None:
    """Start the trial that waits in the next free of the first `trials` slots; None if none is.

    A database that locks rows never gives one trial to two processes; sqlite does not lock rows,
    so that processes that share a file must call this one at a time.
    """
    for slot, waiting in trials_by_slot(search.study()).items():
        if slot >= trials or waiting.state is not TrialState.WAITING:
            continue
        number = waiting._trial_id
        # The heartbeat comes first: a trial that dies between the two calls must be noticed.
        cast(RDBStorage, search.storage).record_heartbeat(number)
        try:
            started = search.storage.set_trial_state_values(number, TrialState.RUNNING)
        except GivenUp:  # another process was faster, and has ended it
            continue
        if started:
            return Trial(search.study(slot), number)
    return None


def heartbeat(search: Search, trial: Trial) -> Any:
    """Return a context within which heartbeats of `trial` are recorded."""
    return get_heartbeat_thread(trial._trial_id, search.storage)


def unpromising(trial: Trial, step: int, f1: float) -> bool:
    """Record the macro-F1 of epoch `step`; return whether to prune the trial (never in slot 0)."""
    trial.report(f1, step)
    return trial.user_attrs[SLOT] != 0 and trial.should_prune()


def record_result(
    search: Search, trial: Trial, measured: TrialMeasurement, teacher_f1: float
) -> None:
    """End a trial as complete, with what was measured of it, which the dashboard shows.

    `teacher_f1` is the teacher's macro-F1 on validation. Does nothing to a trial that has ended.
    """
    f1, latency_ms = measured.f1, measured.latency_ms
    excess = search.goal.excess(f1, latency_ms, teacher_f1)
    shown: dict[str, object] = {F1: f1, DISK: measured.size_mb}
    if latency_ms is not None:
        shown[LATENCY] = latency_ms
    if excess:
        shown[FEASIBLE] = all(value <= 0 for value in excess.values())
    for name, value in shown.items():
        trial.set_user_attr(name, value)
    for name, missed_by in excess.items():
        trial.set_constraint(name, missed_by)
    trial.study.tell(trial, search.goal.values(f1, latency_ms), skip_if_finished=True)


def record_pruned(trial: Trial) -> None:
    """End a trial as pruned."""
    trial.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)


def record_failure(trial: Trial, reason: str) -> None:
    """End a trial as failed, for a `reason` that the dashboard shows; it is not queued again."""
    with suppress(GivenUp):
        trial.set_user_attr(ERROR, reason)
        trial.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)


def requeue(search: Search, trial: Trial) -> None:
    """End a trial that was interrupted and queue it again, unless it has ended already."""
    with suppress(GivenUp):
        if search.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL):
            frozen = search.storage.get_trial(trial._trial_id)
            _queue_again(trial.study, frozen, frozen.user_attrs.get(DEATHS, 0))


def link(on: Study | Trial, run_id: str, address: str) -> None:
    """Name the MLflow run of an Optuna study or trial in an attribute and, linked, in its note."""
    on.set_user_attr(RUN, run_id)
    optuna_dashboard.save_note(on, f"[MLflow run {run_id}]({address})")


def dashboard_url(study: Study) -> str:
    """Return the URL under which `fincompress dashboard` shows the Optuna study."""
    return f"http://127.0.0.1:{DASHBOARD_PORT}/dashboard/studies/{study._study_id}"


def attach_file(trial: Trial, file: Path) -> None:
    """Attach a copy of `file` to the trial, where the dashboard shows it."""
    upload_artifact(artifact_store=_artifacts(), file_path=str(file), study_or_trial=trial)


def outcomes(study: Study, trials: int | None = None) -> list[Outcome]:
    """Return the outcomes of the first `trials` slots, or of all, in the order of the queue."""
    by_slot = sorted(trials_by_slot(study).items())
    return [
        Outcome(
            trial=t.number,
            place=slot,
            state="waiting" if _is_lost(t) else t.state.name.lower(),
            values={name: tidy(value) for name, value in t.params.items()},
            f1=t.user_attrs.get(F1),
            latency_ms=t.user_attrs.get(LATENCY),
            size_mb=t.user_attrs.get(DISK),
            feasible=t.user_attrs.get(FEASIBLE, True),
            seconds=t.duration.total_seconds() if t.duration else None,
            run_id=t.user_attrs.get(RUN, ""),
            error=t.user_attrs.get(ERROR, ""),
        )
        for slot, t in by_slot[:trials]
    ]


def best_trial(storage: BaseStorage, prefix: str) -> Outcome | None:
    """Return the best trial of the newest search that has one, of those whose names start so."""
    for name in reversed(optuna.get_all_study_names(storage)):  # oldest first
        if name.startswith(prefix):
            study = optuna.load_study(study_name=name, storage=storage)
            goal = parse(Goal, study.user_attrs[GOAL], f"Optuna study {name}")
            if (outcome := best(outcomes(study), goal)) is not None:
                return outcome
    return None


def figures(search: Search) -> dict[str, Any]:
    """Draw Optuna's plots of a search; return their matplotlib axes by name, none for one trial.

    These are the history, parallel coordinates, importances and, with two objectives, the front.
    """
    study, names = search.study(), list(search.goal.objectives)
    done = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    drawn: dict[str, Any] = {}
    kinds: dict[str, Callable[..., Any]] = {
        "history": plots.plot_optimization_history,
        "parallel_coordinates": plots.plot_parallel_coordinate,
    }
    if len({str(trial.params) for trial in done}) > 1:
        judge = optuna.importance.FanovaImportanceEvaluator(seed=0)
        kinds["importances"] = partial(plots.plot_param_importances, evaluator=judge)
    for position, name in enumerate(names if len(done) > 1 else []):

        def target(trial: FrozenTrial, position: int = position) -> float:
            return float(trial.values[position])

        several = len(names) > 1  # without a target the plots know the direction
        tail = f"_{name.split()[-1].lower().replace('-', '_')}" if several else ""
        of = {"target": target if several else None, "target_name": name}
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # of few values
            for kind, plot in kinds.items():
                if kind == "history" or len({target(trial) for trial in done}) > 1:
                    drawn[kind + tail] = plot(study, **of)
    if len(names) > 1 and done:
        drawn["pareto_front"] = plots.plot_pareto_front(study, target_names=names)
    return drawn


def run_dashboard_server(url: str, port: int) -> None:
    """Serve Optuna's dashboard of the storage at `url` on this machine, until Ctrl-C."""
    storage = open_storage(url)
    print(f"http://127.0.0.1:{port}/dashboard/  ({masked(url)}; Ctrl-C ends it)", flush=True)
    optuna_dashboard.run_server(storage, "127.0.0.1", port, _artifacts())


def _artifacts() -> FileSystemArtifactStore:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    return FileSystemArtifactStore(ARTIFACTS)

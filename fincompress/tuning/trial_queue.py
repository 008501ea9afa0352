"""A space and what comes of its trials become an Optuna study; the only file that imports Optuna.

A study has a queue of places, one for each trial asked for, and every process takes the next free
one. A place whose trial was lost gets another; the last trial of a place is the one that counts.
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
from fincompress.tuning.objective import F1, LATENCY, Goal, Outcome, best

SEARCH_ERRORS = (OptunaError, SQLAlchemyError)
GivenUp = UpdateFinishedTrialError  # what a trial that was silent for too long meets
ARTIFACTS = Path("mlruns") / "optuna"
PORT = 8080  # the dashboard's, unless it is asked for another
HEARTBEAT_S, GRACE_S = 10, 60  # a trial without a sign of life for so long is given up
RETRIES = 3  # of a trial whose process dies: one that kills them all must not do so for ever
STARTUP = 5  # trials, the variant's own config among them, before the samplers and pruners judge
# Attributes of a study or of its trials; the dashboard shows them.
GOAL, RUN, PLACE, DEATHS, ERROR = "goal", "mlflow_run_id", "place", "deaths", "error"
FEASIBLE = "meets the constraint"


@dataclass(frozen=True)
class Search:
    """An open study: what it is called, what for, and what its trials are drawn from."""

    name: str
    storage: BaseStorage
    space: Space
    goal: Goal
    seed: int

    @property
    def stops_early(self) -> bool:
        return list(self.goal.objectives) == [F1]

    def study(self, place: int = 0) -> Study:
        """The study as it is now, with a sampler of its own for each place in the queue."""
        # Of the worst quarter, from the second epoch on: an epoch's F1 is noisy.
        pruner = optuna.pruners.PercentilePruner(75, n_startup_trials=STARTUP, n_warmup_steps=2)
        return optuna.load_study(
            study_name=self.name, storage=self.storage,
            sampler=optuna.samplers.TPESampler(seed=self.seed + place, n_startup_trials=STARTUP),
            pruner=pruner if self.stops_early else optuna.pruners.NopPruner(),
        )  # fmt: skip


def open_storage(url: str, lost: Callable[[str], None] | None = None) -> BaseStorage:
    """Open (or create) the storage; `lost` hears the MLflow run of a trial that is given up.

    Raises `UserError` if it does not answer within seconds.
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
    return get_storage(storage)  # which keeps what is over in memory


def _give_up(lost: Callable[[str], None] | None, study: Study, trial: FrozenTrial) -> None:
    if (deaths := trial.user_attrs.get(DEATHS, 0) + 1) <= RETRIES:
        _queue_again(study, trial, deaths)
    if lost and RUN in trial.user_attrs:
        lost(trial.user_attrs[RUN])


def _queue_again(study: Study, trial: FrozenTrial, deaths: int) -> None:
    """A new trial for the place of `trial`, with the values that it was given or had drawn."""
    values = trial.system_attrs.get("fixed_params", {}) | trial.params
    attributes = {PLACE: trial.user_attrs[PLACE], DEATHS: deaths}
    study.enqueue_trial(values, user_attrs=attributes)


def _is_lost(trial: FrozenTrial) -> bool:
    """Whether it is about to be queued again, or would be had its process not ended just then."""
    given_up = ERROR in trial.user_attrs or trial.user_attrs.get(DEATHS, 0) >= RETRIES
    return trial.state is TrialState.FAIL and not given_up


def prepare(search: Search, own: Mapping[str, Scalar], trials: int) -> None:
    """Create the study if there is none, and queue what is missing of `trials` places.

    The first place is for the variant's `own` values.
    """
    study = optuna.create_study(
        study_name=search.name, storage=search.storage, load_if_exists=True,
        directions=list(search.goal.objectives.values()),
    )  # fmt: skip
    study.set_metric_names(list(search.goal.objectives))
    study.set_user_attr(GOAL, dump(search.goal))
    there = places(study)
    for place, trial in there.items():
        # What made the variant's own config fail may have been put right since.
        if _is_lost(trial) or (place == 0 and trial.state is TrialState.FAIL):
            _queue_again(study, trial, 0)
    for place in range(len(there), trials):
        study.enqueue_trial(dict(own) if place == 0 else {}, user_attrs={PLACE: place})


def retry_lost(search: Search) -> None:
    """Queue again the trials that have given no sign of life."""
    optuna.storages.fail_stale_trials(search.study())


def places(study: Study) -> dict[int, FrozenTrial]:
    """The trial that counts for each place: its last one."""
    trials = study.get_trials(deepcopy=False)
    return {t.user_attrs[PLACE]: t for t in trials if PLACE in t.user_attrs}


def claim(search: Search, trials: int) -> Trial | None:
    """Take the next free place, or None.

    Two processes never get the same one on a database that locks rows; sqlite does not, and those
    that share it must not ask at once.
    """
    for place, waiting in places(search.study()).items():
        if place >= trials or waiting.state is not TrialState.WAITING:
            continue
        number = waiting._trial_id
        # First the sign of life, so that it cannot die between the two without being missed.
        cast(RDBStorage, search.storage).record_heartbeat(number)
        try:
            taken = search.storage.set_trial_state_values(number, TrialState.RUNNING)
        except GivenUp:  # another process was faster, and has ended it
            continue
        if taken:
            return Trial(search.study(place), number)
    return None


def heartbeat(search: Search, trial: Trial) -> Any:
    """A context within which `trial` gives signs of life."""
    return get_heartbeat_thread(trial._trial_id, search.storage)


def unpromising(trial: Trial, step: int, f1: float) -> bool:
    """Record the F1 of an epoch; True if the trial should end here, which place 0 never should."""
    trial.report(f1, step)
    return trial.user_attrs[PLACE] != 0 and trial.should_prune()


def finish(
    search: Search, trial: Trial, f1: float, latency_ms: float | None, teacher_f1: float
) -> None:
    excess = search.goal.excess(f1, latency_ms, teacher_f1)
    shown: dict[str, object] = {F1: f1}
    if latency_ms is not None:
        shown[LATENCY] = latency_ms
    if excess:
        shown[FEASIBLE] = all(value <= 0 for value in excess.values())
    for name, value in shown.items():
        trial.set_user_attr(name, value)
    for name, missed_by in excess.items():
        trial.set_constraint(name, missed_by)
    trial.study.tell(trial, search.goal.values(f1, latency_ms), skip_if_finished=True)


def stop(trial: Trial) -> None:
    trial.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)


def fail(trial: Trial, reason: str) -> None:
    with suppress(GivenUp):
        trial.set_user_attr(ERROR, reason)
        trial.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)


def put_back(search: Search, trial: Trial) -> None:
    """End a trial that was interrupted and queue it again, unless it is over already."""
    with suppress(GivenUp):
        if search.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL):
            frozen = search.storage.get_trial(trial._trial_id)
            _queue_again(trial.study, frozen, frozen.user_attrs.get(DEATHS, 0))


def link(on: Study | Trial, run_id: str, address: str) -> None:
    """Name the MLflow run, as an attribute and in the note."""
    on.set_user_attr(RUN, run_id)
    optuna_dashboard.save_note(on, f"[MLflow run {run_id}]({address})")


def address(study: Study) -> str:
    """Where `fincompress dashboard` shows the study."""
    return f"http://127.0.0.1:{PORT}/dashboard/studies/{study._study_id}"


def keep_file(trial: Trial, file: Path) -> None:
    """Show a copy of `file` in the dashboard."""
    upload_artifact(artifact_store=_artifacts(), file_path=str(file), study_or_trial=trial)


def outcomes(study: Study, trials: int | None = None) -> list[Outcome]:
    """What became of the first `trials` places, or of all."""
    kept = sorted(places(study).items())
    return [
        Outcome(
            trial=t.number,
            place=place,
            state="waiting" if _is_lost(t) else t.state.name.lower(),
            values={name: tidy(value) for name, value in t.params.items()},
            f1=t.user_attrs.get(F1),
            latency_ms=t.user_attrs.get(LATENCY),
            feasible=t.user_attrs.get(FEASIBLE, True),
            seconds=t.duration.total_seconds() if t.duration else None,
            run_id=t.user_attrs.get(RUN, ""),
            error=t.user_attrs.get(ERROR, ""),
        )
        for place, t in kept[:trials]
    ]


def best_trial(storage: BaseStorage, prefix: str) -> Outcome | None:
    """Return the best trial of the newest study of that prefix that has one."""
    for name in reversed(optuna.get_all_study_names(storage)):  # in the order of their making
        if name.startswith(prefix):
            study = optuna.load_study(study_name=name, storage=storage)
            goal = parse(Goal, study.user_attrs[GOAL], f"Optuna study {name}")
            if (found := best(outcomes(study), goal)) is not None:
                return found
    return None


def figures(search: Search) -> dict[str, Any]:
    """What the trials have in common, as matplotlib axes by name; none for a single trial."""
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
    for place, name in enumerate(names if len(done) > 1 else []):

        def target(trial: FrozenTrial, place: int = place) -> float:
            return float(trial.values[place])

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


def dashboard(url: str, port: int) -> None:
    """Serve Optuna's dashboard on this machine until it is interrupted."""
    storage = open_storage(url)
    print(f"http://127.0.0.1:{port}/dashboard/  ({masked(url)}; Ctrl-C ends it)", flush=True)
    optuna_dashboard.run_server(storage, "127.0.0.1", port, _artifacts())


def _artifacts() -> FileSystemArtifactStore:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    return FileSystemArtifactStore(ARTIFACTS)

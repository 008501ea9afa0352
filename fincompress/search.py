"""A space and what comes of its trials become an Optuna study; the only file that imports Optuna.

A study has a queue of places, one for each trial that was asked for, and every process that works
on it takes the next free one: so there are as many trials as asked for, however many processes
there are and however often they die. A place whose trial was lost gets another one; the last
trial of a place is the one that counts.
"""

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import optuna
import optuna_dashboard
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.exceptions import ExperimentalWarning, OptunaError
from optuna.storages import (
    BaseStorage,
    RDBStorage,
    RetryHeartbeatStaleTrialCallback,
    get_storage,
)
from optuna.storages._heartbeat import get_heartbeat_thread
from optuna.study import Study as Study
from optuna.trial import FrozenTrial, TrialState
from optuna.trial import Trial as Trial
from optuna.visualization import matplotlib as plots
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from fincompress.goals import F1, LATENCY, Goal, Outcome, best
from fincompress.space import Choices, Range, Scalar, Space, tidy
from fincompress.spec import UserError, dump, parse

SEARCH_ERRORS = (OptunaError, SQLAlchemyError)
ARTIFACTS = Path("mlruns") / "optuna"
PORT = 8080  # the dashboard's, unless it is asked for another
HEARTBEAT_S, GRACE_S = 10, 60  # a trial without a sign of life for so long is given up
RETRIES = 3  # of a trial whose process dies: one that kills them all must not do so for ever
STARTUP = 5  # trials, the variant's own config among them, before the samplers and pruners judge
# Attributes of a study or of its trials; the dashboard shows them.
GOAL, RUN, PLACE, ERROR, FEASIBLE = (
    "goal", "mlflow_run_id", "place", "error", "meets the constraint",
)  # fmt: skip


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
        pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=1)
        return optuna.load_study(
            study_name=self.name, storage=self.storage,
            sampler=optuna.samplers.TPESampler(seed=self.seed + place, n_startup_trials=STARTUP),
            pruner=pruner if self.stops_early else optuna.pruners.NopPruner(),
        )  # fmt: skip


def masked(url: str) -> str:
    """The address of a storage without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return url


def open_storage(url: str, lost: Callable[[str], None] | None = None) -> BaseStorage:
    """Open (or create) the storage; `lost` hears the MLflow run of a trial that is given up.

    Raises `UserError` if it does not answer.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    warnings.simplefilter("ignore", ExperimentalWarning)  # the retries and the plots
    try:
        backend = make_url(url).get_backend_name()
        patience = {"sqlite": {"timeout": 60}, "postgresql": {"connect_timeout": 10}}
        storage = RDBStorage(
            url, engine_kwargs={"connect_args": patience.get(backend, {})},
            heartbeat_interval=HEARTBEAT_S, grace_period=GRACE_S,
            heartbeat_stale_trial_callback=partial(_give_up, lost),
        )  # fmt: skip
    except Exception as error:  # SQLAlchemy's, the driver's and Optuna's own
        reason = " ".join(str(error.__cause__ or error).split()).partition(" (Background on")[0]
        raise UserError(f"storage {masked(url)}: does not answer: {reason}") from None
    return get_storage(storage)  # which keeps what is over in memory


def _give_up(lost: Callable[[str], None] | None, study: Study, trial: FrozenTrial) -> None:
    if lost and RUN in trial.user_attrs:
        lost(trial.user_attrs[RUN])
    RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)(study, trial)


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
    for place in range(len(places(study)), trials):
        study.enqueue_trial(dict(own) if place == 0 else {}, user_attrs={PLACE: place})


def retry_lost(search: Search) -> None:
    """Queue again the trials that have given no sign of life."""
    optuna.storages.fail_stale_trials(search.study())


def remembered(study: Study, key: str, make: Callable[[], float]) -> float:
    """A fact of the study, made once."""
    if key not in study.user_attrs:
        study.set_user_attr(key, make())
    return float(study.user_attrs[key])


def places(study: Study) -> dict[int, FrozenTrial]:
    """The trial that counts for each place: its last one."""
    trials = study.get_trials(deepcopy=False)
    return {t.user_attrs[PLACE]: t for t in trials if PLACE in t.user_attrs}


def claim(search: Search, trials: int) -> Trial | None:
    """Take the next free place, or None; no two processes get the same one."""
    study = search.study()
    for place, waiting in places(study).items():
        if place >= trials or waiting.state is not TrialState.WAITING:
            continue
        number = waiting._trial_id
        # First the sign of life, so that it cannot die between the two without being missed.
        cast(RDBStorage, search.storage).record_heartbeat(number)
        try:
            if search.storage.set_trial_state_values(number, TrialState.RUNNING):
                return Trial(search.study(place), number)
        except OptunaError:  # taken, and over already
            continue
    return None


def heartbeat(search: Search, trial: Trial) -> Any:
    """A context within which `trial` gives signs of life."""
    return get_heartbeat_thread(trial._trial_id, search.storage)


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


def unpromising(trial: Trial, step: int, f1: float) -> bool:
    """Record the F1 of an epoch; True if the trial should end here."""
    trial.report(f1, step)
    return trial.should_prune()


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
    trial.set_user_attr(ERROR, reason)
    trial.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)


def put_back(trial: Trial) -> None:
    """End a trial that was interrupted, and queue it again."""
    frozen = trial.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
    RetryHeartbeatStaleTrialCallback()(trial.study, frozen)


def link(on: Study | Trial, run_id: str, address: str) -> None:
    """Name the MLflow run of a study or trial, as an attribute and in its note."""
    on.set_user_attr(RUN, run_id)
    optuna_dashboard.save_note(on, f"[MLflow run {run_id}]({address})")


def address(study: Study) -> str:
    """Where `fincompress dashboard` shows the study."""
    number = study._study_id
    return f"http://127.0.0.1:{PORT}/dashboard/studies/{number}"


def keep_file(on: Study | Trial, file: Path) -> None:
    """Show a copy of `file` in the dashboard."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    store = FileSystemArtifactStore(ARTIFACTS)
    upload_artifact(artifact_store=store, file_path=str(file), study_or_trial=on)


def outcomes(study: Study, trials: int | None = None) -> list[Outcome]:
    """What became of the first `trials` places, or of all."""
    return [
        Outcome(
            trial=t.number,
            place=place,
            state=t.state.name.lower(),
            values={name: tidy(value) for name, value in t.params.items()},
            f1=t.user_attrs.get(F1),
            latency_ms=t.user_attrs.get(LATENCY),
            feasible=t.user_attrs.get(FEASIBLE, True),
            seconds=t.duration.total_seconds() if t.duration else None,
            run_id=t.user_attrs.get(RUN, ""),
            error=t.user_attrs.get(ERROR, ""),
        )
        for place, t in sorted(places(study).items())
        if trials is None or place < trials
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
    drawn = {}
    for place, name in enumerate(names if len(done) > 1 else []):

        def target(trial: FrozenTrial, place: int = place) -> float:
            return float(trial.values[place])

        tail = f"_{name.split()[-1].lower().replace('-', '_')}" if len(names) > 1 else ""
        drawn[f"history{tail}"] = plots.plot_optimization_history(
            study, target=target, target_name=name
        )
        drawn[f"parallel_coordinates{tail}"] = plots.plot_parallel_coordinate(
            study, target=target, target_name=name
        )
        if len({target(trial) for trial in done}) > 1:
            drawn[f"importances{tail}"] = plots.plot_param_importances(
                study, optuna.importance.FanovaImportanceEvaluator(seed=0),
                target=target, target_name=name,
            )  # fmt: skip
    if len(names) > 1 and done:
        drawn["pareto_front"] = plots.plot_pareto_front(study, target_names=names)
    return drawn


def dashboard(url: str, port: int) -> None:
    """Serve Optuna's dashboard on this machine until it is interrupted."""
    storage = open_storage(url)
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    print(f"http://127.0.0.1:{port}/dashboard/  ({masked(url)}; Ctrl-C ends it)", flush=True)
    optuna_dashboard.run_server(storage, "127.0.0.1", port, FileSystemArtifactStore(ARTIFACTS))

"""The queue of a study: each place once, lost trials again, and nothing counted twice."""

import os
import time
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from fincompress.studies.search_space import Choices, Range, Scalar, Space
from fincompress.tuning import trial_queue
from fincompress.tuning.objective import DISK, LATENCY, Goal, TrialMeasurement
from fincompress.tuning.trial import suggest
from fincompress.tuning.trial_queue import Search, Trial
from tests.support.projects import refusal

SIZE_MB = 12.5
SPACE: Space = {
    "temperature": Range(low=1.0, high=8.0, step=0.5),
    "optimizer.learning_rate": Range(low=1e-5, high=1e-3, log=True),
    "steps": Range(low=1, high=4),
    "importance": Choices(choices=("taylor", "entropy")),
}
OWN: dict[str, Scalar] = {
    "temperature": 4.0,
    "optimizer.learning_rate": 1e-4,
    "steps": 3,
    "importance": "taylor",
}


def opened(folder: Path, goal: Goal = Goal(), trials: int = 3, name: str = "s/v/1") -> Search:  # noqa: B008
    storage = trial_queue.open_storage(f"sqlite:///{folder}/optuna.db", HEARD.append)
    found = Search(name=name, storage=storage, space=SPACE, goal=goal, seed=1)
    trial_queue.prepare(found, OWN, trials)
    return found


HEARD: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_heard() -> None:
    HEARD.clear()


def take(found: Search, trials: int = 100) -> Trial:
    trial = trial_queue.claim_trial(found, trials)
    assert trial is not None
    return trial


def run(found: Search, f1: float, latency_ms: float | None = None) -> dict[str, object]:
    """One trial from end to end; what it drew."""
    trial = take(found)
    values = suggest(trial, SPACE)
    trial_queue.record_result(
        found, trial, TrialMeasurement(f1, SIZE_MB, latency_ms), teacher_f1=0.9
    )
    return dict(values)


def states(found: Search) -> list[str]:
    return [outcome.state for outcome in trial_queue.outcomes(found.study())]


def test_the_variants_own_config_is_first_and_the_rest_is_from_the_space(tmp_path: Path) -> None:
    found = opened(tmp_path, trials=12)
    drawn = [run(found, 0.5 + place / 100) for place in range(12)]
    assert drawn[0] == OWN
    assert all(values[name] in SPACE[name] for values in drawn for name in SPACE)
    assert len({str(values) for values in drawn}) == 12
    assert [o.values for o in trial_queue.outcomes(found.study())] == drawn


def test_what_a_place_draws_depends_on_what_came_before_and_on_no_process(tmp_path: Path) -> None:
    drawn = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        drawn.append([run(opened(folder), f1) for f1 in (0.5, 0.6, 0.7)])
    assert drawn[0] == drawn[1]


def test_every_place_is_taken_once_and_more_can_be_asked_for(tmp_path: Path) -> None:
    found = opened(tmp_path, trials=2)
    assert [take(found).number, take(found).number] == [0, 1]
    assert trial_queue.claim_trial(found, 2) is None
    again = opened(tmp_path, trials=4)
    assert len(states(again)) == 4
    assert trial_queue.claim_trial(again, 2) is None, "as few as asked for, whatever is queued"
    assert take(again, 4).number == 2


def test_an_interrupted_trial_is_run_again_with_its_values(tmp_path: Path) -> None:
    found = opened(tmp_path)
    run(found, 0.5)
    trial = take(found)
    drawn = suggest(trial, SPACE)
    trial_queue.requeue(found, trial)
    assert states(found) == ["complete", "waiting", "waiting"]
    again = take(found)
    assert suggest(again, SPACE) == drawn
    trial_queue.record_result(found, again, TrialMeasurement(0.7, SIZE_MB), 0.9)
    assert [o.trial for o in trial_queue.outcomes(found.study())] == [0, 3, 2]


@pytest.mark.slow
@pytest.mark.parametrize("drawn", [True, False])
def test_a_trial_without_a_sign_of_life_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawn: bool
) -> None:
    monkeypatch.setattr(trial_queue, "GRACE_S", 1)
    found = opened(tmp_path, trials=1)
    trial = take(found)
    values = suggest(trial, SPACE) if drawn else None
    trial_queue.link(trial, "a-run", "http://there")
    trial_queue.retry_lost(found)
    assert states(found) == ["running"]
    time.sleep(2.1)  # the database counts whole seconds
    trial_queue.retry_lost(found)
    assert HEARD == ["a-run"]
    assert states(found) == ["waiting"]
    again = suggest(take(found), SPACE)
    assert again == (values or OWN)
    with pytest.raises(trial_queue.GivenUp):  # it was only asleep, and is too late
        trial_queue.record_result(found, trial, TrialMeasurement(0.9, SIZE_MB), 0.9)
    trial_queue.requeue(found, trial)
    assert states(found) == ["running"]


def test_what_is_over_is_not_put_back(tmp_path: Path) -> None:
    found = opened(tmp_path, trials=1)
    trial = take(found)
    trial_queue.record_result(found, trial, TrialMeasurement(0.9, SIZE_MB), 0.9)
    trial_queue.requeue(found, trial)
    assert states(found) == ["complete"]


def test_a_trial_that_was_ended_and_not_queued_again_is_healed(tmp_path: Path) -> None:
    found = opened(tmp_path, trials=2)
    trial_queue.record_failure(take(found), "no memory")
    trial = take(found)
    suggest(trial, SPACE)
    trial.study.tell(trial, state=TrialState.FAIL)  # and then the process died
    assert states(found) == ["fail", "waiting"]
    assert trial_queue.claim_trial(found, 2) is None
    again = opened(tmp_path, trials=2)
    assert states(again) == ["waiting", "waiting"], "its own config gets another chance as well"
    assert suggest(take(again), SPACE) == OWN


def test_a_trial_that_always_dies_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = opened(tmp_path, trials=1)
    silent: list[int] = []
    monkeypatch.setattr(RDBStorage, "_get_stale_trial_ids", lambda *_: silent)
    for _ in range(1 + trial_queue.RETRIES):
        silent[:] = [take(found)._trial_id]  # as if the time had passed
        trial_queue.retry_lost(found)
    assert states(found) == ["fail"]


def test_a_poor_trial_is_stopped_once_there_is_something_to_compare_it_with(tmp_path: Path) -> None:
    found = opened(tmp_path, trials=7)
    for _ in range(trial_queue.STARTUP):
        trial = take(found)
        suggest(trial, SPACE)
        assert not any(trial_queue.unpromising(trial, epoch, 0.8) for epoch in (1, 2))
        trial_queue.record_result(found, trial, TrialMeasurement(0.8, SIZE_MB), 0.9)
    trial = take(found)
    suggest(trial, SPACE)
    assert not trial_queue.unpromising(trial, 1, 0.3), "never after one epoch"
    assert trial_queue.unpromising(trial, 2, 0.3)
    trial_queue.record_pruned(trial)
    trial = take(found)
    trial_queue.record_failure(trial, "the loss became nan")
    assert states(found)[-2:] == ["pruned", "fail"]
    assert trial_queue.outcomes(found.study())[-1].error == "the loss became nan"


def test_a_constraint_is_kept_and_shown(tmp_path: Path) -> None:
    found = opened(tmp_path, Goal(max_latency_ms=3.0), trials=2)
    run(found, 0.9, 4.0)
    run(found, 0.8, 2.0)
    slow, fast = trial_queue.outcomes(found.study())
    assert (slow.feasible, slow.f1, slow.latency_ms) == (False, 0.9, 4.0)
    assert (fast.feasible, fast.f1, fast.latency_ms) == (True, 0.8, 2.0)
    shown = trial_queue.trials_by_slot(found.study())[1].user_attrs  # what the dashboard has
    assert (shown[LATENCY], shown[DISK]) == (2.0, SIZE_MB) and fast.size_mb == SIZE_MB
    assert found.study().best_trial.number == fast.trial


def test_the_newest_study_with_a_result_says_what_is_best(tmp_path: Path) -> None:
    for name, scores in {"s/v/1": (0.6, 0.9), "s/v/2": (0.5, 0.7), "s/v/3": ()}.items():
        found = opened(tmp_path, name=name)
        for f1 in scores:
            run(found, f1)
    best = trial_queue.best_trial(found.storage, "s/v/")
    assert best is not None and best.f1 == 0.7
    assert trial_queue.best_trial(found.storage, "s/other/") is None


@pytest.mark.slow
@pytest.mark.parametrize("goal", [Goal(), Goal(latency=True)])
def test_figures_are_drawn_of_what_there_is(tmp_path: Path, goal: Goal) -> None:
    found = opened(tmp_path, goal, trials=5)
    run(found, 0.5, 5.0)
    assert set(trial_queue.figures(found)) <= {"pareto_front"}, "one trial has no history"
    for place in range(1, 5):
        run(found, 0.5 + place / 10, 5.0 + place)
    kinds = ["history", "importances", "parallel_coordinates"]
    expected = {*kinds}
    if goal.latency:
        expected = {f"{kind}_{of}" for kind in kinds for of in ("macro_f1", "latency")}
        expected.add("pareto_front")
    assert set(trial_queue.figures(found)) == expected


STORAGES = [
    ("postgresql://me:secret@127.0.0.1:1/x",
     "storage postgresql://me:***@127.0.0.1:1/x: does not answer: connection failed"),
    ("sqlite:////no/such/folder/optuna.db", "does not answer: unable to open database file"),
    ("postgres://x/y", "storage postgres://x/y: does not answer: Can't load plugin"),
    ("optuna.db", "storage optuna.db: does not answer: Could not parse SQLAlchemy URL"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "message"), STORAGES)
def test_a_storage_that_does_not_answer_is_one_message(url: str, message: str) -> None:
    said = refusal(lambda: trial_queue.open_storage(url))
    assert message in said
    assert "secret" not in said and "\n" not in said


def test_a_file_that_is_no_database_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "optuna.db").write_bytes(os.urandom(5000))
    said = refusal(lambda: trial_queue.open_storage(f"sqlite:///{tmp_path}/optuna.db"))
    assert said.endswith("does not answer: file is not a database")


def test_files_and_notes_are_for_the_dashboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = opened(tmp_path)
    trial = take(found)
    trial_queue.link(trial, "a-run", "http://there/runs/a-run")
    trial_queue.link(found.study(), "b-run", "http://there/runs/b-run")
    (tmp_path / "curve.png").write_bytes(b"png")
    trial_queue.attach_file(trial, tmp_path / "curve.png")
    (kept,) = optuna.artifacts.get_all_artifact_meta(trial)
    assert kept.filename == "curve.png"
    assert (tmp_path / trial_queue.ARTIFACTS / kept.artifact_id).read_bytes() == b"png"
    attributes = str(found.storage.get_study_system_attrs(found.study()._study_id))
    assert "http://there/runs/a-run" in attributes and "http://there/runs/b-run" in attributes
    assert found.study().user_attrs[trial_queue.RUN] == "b-run"
    assert (
        found.study().get_trials(states=[TrialState.RUNNING])[0].user_attrs[trial_queue.RUN]
        == "a-run"
    )

"""A study on a real PostgreSQL: four workers share its trials, and none is run twice."""

import multiprocessing
import os
import time
from collections.abc import Iterator

import pytest

from fincompress.studies.search_space import Range
from fincompress.tuning import trial_queue
from fincompress.tuning.objective import Goal, TrialMeasurement
from fincompress.tuning.trial_queue import Search

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real PostgreSQL of this test's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        import pgserver  # which looks for that folder

        server = pgserver.get_server(tmp_path_factory.mktemp("postgres"))
        yield server.get_uri()
        server.cleanup()


COST_S = 0.25


def work(found: Search, trials: int) -> None:
    """What a worker does, with trials of a fixed cost."""
    while (trial := trial_queue.claim_trial(found, trials)) is not None:
        with trial_queue.heartbeat(found, trial):
            x = trial.suggest_float("x", 0, 1)
            time.sleep(COST_S)
            trial.set_user_attr("by", os.getpid())
            trial_queue.record_result(found, trial, TrialMeasurement(x, 1.0), 0.9)


def timed(address: str, name: str, workers: int, trials: int) -> float:
    storage = trial_queue.open_storage(address)
    found = Search(name, storage, {"x": Range(low=0.0, high=1.0)}, Goal(), 1)
    trial_queue.prepare(found, {"x": 0.5}, trials)
    context = multiprocessing.get_context("spawn")
    crew = [context.Process(target=work, args=(found, trials)) for _ in range(workers)]
    for member in crew:
        member.start()
    for member in crew:
        member.join()
        assert member.exitcode == 0
    study = found.study()
    assert [t.state.name for t in study.trials] == ["COMPLETE"] * trials, "each exactly once"
    assert len({t.user_attrs["by"] for t in study.trials}) == workers
    started = min(t.datetime_start for t in study.trials if t.datetime_start)
    ended = max(t.datetime_complete for t in study.trials if t.datetime_complete)
    return (ended - started).total_seconds()


def test_four_workers_on_postgresql_share_the_trials(postgres: str) -> None:
    alone, together = timed(postgres, "alone", 1, 24), timed(postgres, "together", 4, 24)
    print(f"24 trials of {COST_S} s: {alone:.1f} s with one worker, {together:.1f} s with four")
    assert alone > 24 * COST_S
    assert together < alone / 2

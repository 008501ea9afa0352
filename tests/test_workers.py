"""Worker processes that are killed, and many of them on one PostgreSQL."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import cast

import psutil
import pytest

from fincompress import search, workshop
from fincompress.goals import Goal
from fincompress.search import Search
from fincompress.space import Range
from fincompress.trials import Job, suggest
from fincompress.workers import Crew
from tests.conftest import Project, refusal
from tests.test_commands import runs
from tests.test_tuning import table, trial_runs

pytestmark = pytest.mark.slow
COMMAND = ["tune", "--study", "tiny", "--variant", "student_vanilla_kd", "--trials", "4"]


def start(project: Project, *arguments: str) -> subprocess.Popen[str]:
    """Run the command in a process of its own, in which a silent trial is soon given up."""
    code = (
        "import sys; from pathlib import Path; from fincompress import cli, experiments, search\n"
        f"experiments.EXPERIMENTS = Path({str(project.folder / 'experiments')!r})\n"
        "search.HEARTBEAT_S, search.GRACE_S = 1, 3\n"
        "if __name__ == '__main__': sys.exit(cli.main(sys.argv[1:]))"
    )
    file = project.folder / "run.py"
    file.write_text(code)
    return subprocess.Popen(
        [sys.executable, str(file), *arguments],
        cwd=project.folder,
        env=os.environ | {"PYTHONPATH": str(Path(workshop.__file__).parents[1])},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def until_a_trial_runs(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Wait for the first trial to end, with others under way; return the workers."""
    assert process.stdout is not None
    while "1 of 4 trials" not in (line := process.stdout.readline()):
        assert process.poll() is None, line
    time.sleep(1)
    children = psutil.Process(process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def check_that_all_is_there() -> None:
    rows = table("student_vanilla_kd")
    assert [row["state"] for row in rows] == ["complete"] * 4
    statuses = Counter(run.info.status for run in trial_runs("student_vanilla_kd"))
    assert statuses["FINISHED"] == 4, "none lost, none counted twice"
    assert set(statuses) == {"FINISHED", "KILLED"}, "and one was killed"
    assert not [run for run in runs() if run.info.status == "RUNNING"]


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_worker_is_replaced_and_its_trial_run_again(
    project: Project, by: signal.Signals
) -> None:
    project.change(budget={"epochs": 30, "patience": 30, "batch_size": 16})
    process = start(project, *COMMAND)
    (worker,) = until_a_trial_runs(process)
    worker.send_signal(by)
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert "a worker was killed" in said
    check_that_all_is_there()


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_study_goes_on_with_the_same_command(project: Project, by: signal.Signals) -> None:
    project.change(budget={"epochs": 30, "patience": 30, "batch_size": 16})
    process = start(project, *COMMAND, "--workers", "2")
    workers = until_a_trial_runs(process)
    process.send_signal(by)
    process.communicate(timeout=100)
    assert psutil.wait_procs(workers, timeout=20)[1] == [], "the workers end too"
    if by is not signal.SIGKILL:
        assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}[by]
        assert not [run for run in runs() if run.info.status == "RUNNING"]
    said, _ = start(project, *COMMAND).communicate(timeout=200)
    assert "4 of 4 trials" in said
    check_that_all_is_there()


@dataclass(eq=False)
class Dead:
    """A worker process that has ended."""

    exitcode: int

    def is_alive(self) -> bool:
        return False


ENDS = [([1], "tune: a worker ended (exit code 1): OSError: No space left on device"),
        ([-9] * 6, "tune: a worker ended (exit code -9): killed")]  # fmt: skip


@pytest.mark.parametrize(("codes", "message"), ENDS)
def test_workers_that_cannot_work_end_the_study(
    tmp_path: Path, codes: list[int], message: str
) -> None:
    log = tmp_path / "log"
    log.write_text("Traceback ...\nOSError: No space left on device\n")
    crew = Crew(cast(Job, None), {cast(SpawnProcess, Dead(code)): log for code in codes})
    assert refusal(lambda: crew.keep(0)) == message


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real PostgreSQL of this test's own."""
    import pgserver

    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


COST_S = 0.25


def work(found: Search, trials: int) -> None:
    """What a worker does, with trials of a fixed cost."""
    while (trial := search.claim(found, trials)) is not None:
        with search.heartbeat(found, trial):
            values = suggest(trial, found.space)
            time.sleep(COST_S)
            trial.set_user_attr("by", os.getpid())
            search.finish(found, trial, float(values["x"]), None, 0.9)


def timed(address: str, name: str, workers: int, trials: int) -> float:
    storage = search.open_storage(address)
    found = Search(name, storage, {"x": Range(low=0.0, high=1.0)}, Goal(), 1)
    search.prepare(found, {"x": 0.5}, trials)
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

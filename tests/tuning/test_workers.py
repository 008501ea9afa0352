"""Worker processes that are killed, and many of them on one PostgreSQL."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import cast

import psutil
import pytest

from fincompress.commands import workspace
from fincompress.tuning.trial import Job
from fincompress.tuning.workers import Crew
from tests.support.projects import Project, refusal
from tests.support.runs import runs
from tests.support.tuning import table, trial_runs

pytestmark = pytest.mark.slow
COMMAND = ["tune", "--study", "tiny", "--variant", "student_vanilla_kd", "--trials", "4"]


def start(project: Project, *arguments: str) -> subprocess.Popen[str]:
    """Run the command in a process of its own, in which a silent trial is soon given up."""
    code = (
        "import sys; from pathlib import Path; from fincompress import cli, studies\n"
        "from fincompress.tuning import trial_queue\n"
        f"studies.EXPERIMENTS = Path({str(project.folder / 'experiments')!r})\n"
        "trial_queue.HEARTBEAT_S, trial_queue.GRACE_S = 1, 3\n"
        "if __name__ == '__main__': sys.exit(cli.main(sys.argv[1:]))"
    )
    file = project.folder / "run.py"
    file.write_text(code)
    return subprocess.Popen(
        [sys.executable, str(file), *arguments],
        cwd=project.folder,
        env=os.environ | {"PYTHONPATH": str(Path(workspace.__file__).parents[2])},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def until_a_trial_runs(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Wait for the first trial to end, with others under way; return the workers."""
    assert process.stdout is not None
    while not re.search("[123] of 4 trials", line := process.stdout.readline()):
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


def test_a_killed_worker_is_replaced_and_its_trial_run_again(project: Project) -> None:
    project.change(budget={"epochs": 30, "patience": 30, "batch_size": 16})
    process = start(project, *COMMAND)
    (worker,) = until_a_trial_runs(process)
    worker.kill()
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert "a worker was killed" in said
    check_that_all_is_there()


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_study_goes_on_with_the_same_command(project: Project, by: signal.Signals) -> None:
    project.change(budget={"epochs": 30, "patience": 30, "batch_size": 16})
    process = start(project, *COMMAND, "--workers", "2")
    workers = until_a_trial_runs(process)
    process.send_signal(by)
    process.communicate(timeout=100)
    assert psutil.wait_procs(workers, timeout=20)[1] == [], "the workers end too"
    if by is not signal.SIGKILL:
        assert process.returncode == 143
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

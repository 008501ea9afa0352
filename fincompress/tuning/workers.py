"""Worker processes of a search: started, replaced when they are killed, with a line of progress."""

import multiprocessing
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.context import SpawnProcess
from pathlib import Path

from fincompress.config import UserError
from fincompress.signals import raise_if_terminated
from fincompress.tracking.store import lock
from fincompress.tuning import trial_queue
from fincompress.tuning.objective import Goal, Outcome, best, described
from fincompress.tuning.trial import Job, run_worker

POLL_S = 1.0
STOP_TIMEOUT_S = 30  # how long workers that were stopped may take before they are killed
REPLACEMENTS = 5  # at most so many killed workers are replaced by one command


def run_workers(job: Job, count: int) -> None:
    """Run up to `count` worker processes until every slot of the queue has its result.

    Raises `UserError` if the variant's own config fails, a worker ends with an error, or more than
    `REPLACEMENTS` are killed.
    """
    progress = Progress(job.spec.name, job.search.goal, job.trials, count)
    crew = Crew(job)
    try:
        while True:
            raise_if_terminated()
            with lock(job.search.name, say=False):
                trial_queue.retry_lost(job.search)
            outcomes = trial_queue.outcomes(job.search.study(), job.trials)
            progress.show(outcomes)
            if outcomes[0].state == "fail":
                why = outcomes[0].error or "its process died each time"
                raise UserError(f"{job.spec.name}: its own config failed: {why}")
            if all(outcome.over for outcome in outcomes):
                break
            crew.keep(min(count, sum(o.state == "waiting" for o in outcomes)))
            time.sleep(POLL_S)
    except BaseException:
        crew.dismiss(at_once=True)
        raise
    finally:
        progress.end()
    crew.dismiss(at_once=False)  # the last of them are closing their runs


@dataclass
class Crew:
    """The worker processes of one command.

    `job`: what they run. `members`: the running processes, each with the file of its output.
    `hired`: how many were started so far. `killed`: how many of them ended without finishing.
    """

    job: Job
    members: dict[SpawnProcess, Path] = field(default_factory=dict)
    hired: int = 0
    killed: int = 0

    def keep(self, wanted: int) -> None:
        """Start workers until `wanted` are running; raise `UserError` if one ended in an error."""
        for member in [m for m in self.members if not m.is_alive()]:
            self._let_go(member.exitcode, self.members.pop(member))
        while len(self.members) < wanted:
            self.hired += 1
            log = self.job.scratch / f"{self.job.spec.name}-{self.hired}.log"
            log.touch()
            context = multiprocessing.get_context("spawn")
            member = context.Process(target=run_worker, args=(self.job, log))
            member.start()
            self.members[member] = log

    def _let_go(self, code: int | None, log: Path) -> None:
        if code == 0:
            return
        self.killed += 1
        if code == 1 or self.killed > REPLACEMENTS:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            last = lines[-1] if lines and code == 1 else "killed"
            raise UserError(f"tune: a worker ended (exit code {code}): {last}")
        print(f"a worker was killed (exit code {code}); another one takes over", flush=True)

    def dismiss(self, at_once: bool) -> None:
        """Wait for the workers to end, after terminating them if `at_once`; then kill the rest."""
        for member in self.members:
            if at_once:
                member.terminate()
        end = time.monotonic() + STOP_TIMEOUT_S
        for member in self.members:
            member.join(max(0.0, end - time.monotonic()))
            member.kill()


@dataclass
class Progress:
    """A line of progress: trials that have ended, the best of them, and the time left.

    `name`: the variant. `goal`: decides which trial is best. `trials`: how many there will be.
    `workers`: how many run at once, for the estimate of time. `shown`: the line printed last.
    """

    name: str
    goal: Goal
    trials: int
    workers: int
    shown: str = ""

    def show(self, outcomes: Sequence[Outcome]) -> None:
        """Print the line if it has changed; on a terminal it replaces the one before."""
        line = self.line(outcomes)
        if line == self.shown:
            return
        tty = sys.stdout.isatty()
        print(f"\r{line:<{len(self.shown)}}" if tty else line, end="" if tty else "\n", flush=True)
        self.shown = line

    def end(self) -> None:
        """End the line that a terminal shows."""
        if sys.stdout.isatty():
            print()

    def line(self, outcomes: Sequence[Outcome]) -> str:
        """Return the line for the state of the trials; the time left is a mean over those ended."""
        over = [outcome for outcome in outcomes if outcome.over]
        parts = [f"{self.name}: {len(over)} of {self.trials} trials"]
        for state, word in {"pruned": "stopped early", "fail": "failed"}.items():
            if count := sum(outcome.state == state for outcome in over):
                parts.append(f"{count} {word}")
        if leader := best(outcomes, self.goal):
            parts.append(f"best {described(leader)}")
        seconds = [outcome.seconds for outcome in over if outcome.seconds is not None]
        if seconds and len(over) < self.trials:
            left = sum(seconds) / len(seconds) * (self.trials - len(over)) / self.workers
            parts.append(f"{left / 60:.0f} min left" if left > 90 else f"{left:.0f} s left")
        return ", ".join(parts)

"""A job becomes worker processes that are kept at it to its end, and one line of progress."""

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
from fincompress.tuning.trial import Job, work

POLL_S = 1.0
PATIENCE_S = 30  # with which workers that are to stop are waited for
REPLACEMENTS = 5  # of workers that were killed, in one command


def run_workers(job: Job, count: int) -> None:
    """Keep `count` workers busy until every place has its outcome.

    Raises `UserError` if the variant's own config fails, a worker ends in an error, or too many
    are killed.
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
    """The worker processes of this command, each with a file for what it prints."""

    job: Job
    members: dict[SpawnProcess, Path] = field(default_factory=dict)
    hired: int = 0
    killed: int = 0

    def keep(self, wanted: int) -> None:
        """Start workers until there are `wanted`; raise `UserError` if one ended in an error."""
        for member in [m for m in self.members if not m.is_alive()]:
            self._let_go(member.exitcode, self.members.pop(member))
        while len(self.members) < wanted:
            self.hired += 1
            log = self.job.scratch / f"{self.job.spec.name}-{self.hired}.log"
            log.touch()
            context = multiprocessing.get_context("spawn")
            member = context.Process(target=work, args=(self.job, log))
            member.start()
            self.members[member] = log

    def _let_go(self, code: int | None, log: Path) -> None:
        if code == 0:
            return
        self.killed += 1
        if code == 1 or self.killed > REPLACEMENTS:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            last = said[-1] if said and code == 1 else "killed"
            raise UserError(f"tune: a worker ended (exit code {code}): {last}")
        print(f"a worker was killed (exit code {code}); another one takes over", flush=True)

    def dismiss(self, at_once: bool) -> None:
        for member in self.members:
            if at_once:
                member.terminate()
        end = time.monotonic() + PATIENCE_S
        for member in self.members:
            member.join(max(0.0, end - time.monotonic()))
            member.kill()


@dataclass
class Progress:
    """One line: how many trials, the best so far, and the time left."""

    name: str
    goal: Goal
    trials: int
    workers: int
    shown: str = ""

    def show(self, outcomes: Sequence[Outcome]) -> None:
        line = self.line(outcomes)
        if line == self.shown:
            return
        tty = sys.stdout.isatty()
        print(f"\r{line:<{len(self.shown)}}" if tty else line, end="" if tty else "\n", flush=True)
        self.shown = line

    def end(self) -> None:
        if sys.stdout.isatty():
            print()

    def line(self, outcomes: Sequence[Outcome]) -> str:
        over = [outcome for outcome in outcomes if outcome.over]
        parts = [f"{self.name}: {len(over)} of {self.trials} trials"]
        for state, word in {"pruned": "stopped early", "fail": "failed"}.items():
            if count := sum(outcome.state == state for outcome in over):
                parts.append(f"{count} {word}")
        if leader := best(outcomes, self.goal):
            parts.append(f"best {described(leader)}")
        taken = [outcome.seconds for outcome in over if outcome.seconds is not None]
        if taken and len(over) < self.trials:
            left = sum(taken) / len(taken) * (self.trials - len(over)) / self.workers
            parts.append(f"{left / 60:.0f} min left" if left > 90 else f"{left:.0f} s left")
        return ", ".join(parts)

"""Objectives and constraints of a search, and the selection of its best trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from fincompress.config import settings
from fincompress.studies.search_space import Scalar

F1, LATENCY, DISK = "validation macro-F1", "ms of latency", "MB of files"

Direction = Literal["maximize", "minimize"]


@settings
class Goal:
    """What a search optimizes: by default, macro-F1 on validation alone, which is maximized.

    `latency`: minimize latency as a second objective, if there is no constraint.
    `max_latency_ms`: the constraint of maximal latency, in ms, under which macro-F1 is maximized.
    `max_f1_drop`: the constraint of how far validation macro-F1 may lie below the teacher's, from
    0 to 1, under which latency is minimized.
    """

    latency: bool = False
    max_latency_ms: float | None = None
    max_f1_drop: float | None = None

    @property
    def objectives(self) -> dict[str, Direction]:
        """Each objective's name and direction."""
        f1: dict[str, Direction] = {F1: "maximize"}
        latency: dict[str, Direction] = {LATENCY: "minimize"}
        if self.max_f1_drop is not None:
            return latency
        return f1 | latency if self.latency and self.max_latency_ms is None else f1

    @property
    def measures_latency(self) -> bool:
        """Whether trials must be timed: for an objective or for a constraint."""
        return self.latency or self.max_latency_ms is not None or self.max_f1_drop is not None

    def values(self, f1: float, latency_ms: float | None) -> list[float]:
        """Return a trial's value of each objective, in the order of `objectives`."""
        measured = {F1: f1, LATENCY: latency_ms}
        return [cast(float, measured[name]) for name in self.objectives]

    def excess(self, f1: float, latency_ms: float | None, teacher_f1: float) -> dict[str, float]:
        """Return by how much a trial exceeds each constraint; at 0 and below it is met."""
        excess = {}
        if self.max_latency_ms is not None:
            excess["max_latency_ms"] = cast(float, latency_ms) - self.max_latency_ms
        if self.max_f1_drop is not None:
            excess["max_f1_drop"] = teacher_f1 - f1 - self.max_f1_drop
        return excess


@dataclass(frozen=True)
class TrialMeasurement:
    """What was measured of a complete trial.

    `f1`: macro-F1 on validation. `size_mb`: the size of its artifact. `latency_ms`: its median
    latency; None where the goal does not ask for it.
    """

    f1: float
    size_mb: float
    latency_ms: float | None = None


@dataclass(frozen=True)
class Outcome:
    """State and result of the trial that counts for a slot of the queue.

    `trial`: its number in the search. `place`: its slot in the queue, in which 0 is the variant's
    own config; the table of trials in a run has a column of this name. `state`: one of complete,
    pruned, fail, running and waiting. `values`: the values drawn, by (dotted) key of the config.
    `f1`: macro-F1 on validation, `latency_ms`: the median latency in ms, and `size_mb`: the size of
    its artifact, each None until it is measured. `feasible`: whether the constraint is met.
    `seconds`: how long it took, None until it ends. `run_id`: its MLflow run, '' before it has one.
    `error`: why it failed, '' if it did not.
    """

    trial: int
    place: int
    state: str
    values: Mapping[str, Scalar]
    f1: float | None
    latency_ms: float | None
    feasible: bool
    seconds: float | None
    run_id: str
    error: str
    size_mb: float | None = None

    @property
    def over(self) -> bool:
        """Whether the trial has ended, in whatever state."""
        return self.state not in ("running", "waiting")


def best(outcomes: Sequence[Outcome], goal: Goal) -> Outcome | None:
    """Return the best complete trial that meets the constraint, or None; ties go to the first.

    With two objectives it is the fastest of those at least as accurate as the variant's own config
    (slot 0), or the most accurate if that did not complete.
    """
    candidates = [o for o in outcomes if o.state == "complete" and o.feasible]
    baseline = next((o for o in candidates if o.place == 0), None)
    if list(goal.objectives) == [F1] or (baseline is None and F1 in goal.objectives):
        return max(candidates, key=_f1, default=None)
    if F1 in goal.objectives and baseline is not None:
        candidates = [o for o in candidates if _f1(o) >= _f1(baseline)]
    return min(candidates, key=_latency, default=None)


def front(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the Pareto front of macro-F1 and latency, the fastest trial first.

    It holds the complete trials that no other beats in both; trials without a latency are left out.
    """
    pareto: list[Outcome] = []
    timed = [o for o in outcomes if o.state == "complete" and o.latency_ms is not None]
    for outcome in sorted(timed, key=lambda o: (_latency(o), -_f1(o))):
        if not pareto or _f1(outcome) > _f1(pareto[-1]):
            pareto.append(outcome)
    return pareto


def described(outcome: Outcome) -> str:
    """Return macro-F1, latency and number of a trial, as in `0.8312 at 4.05 ms (trial 7)`."""
    latency = "" if outcome.latency_ms is None else f" at {outcome.latency_ms:.2f} ms"
    return f"{outcome.f1:.4f}{latency} (trial {outcome.trial})"


def _f1(outcome: Outcome) -> float:
    return cast(float, outcome.f1)


def _latency(outcome: Outcome) -> float:
    return cast(float, outcome.latency_ms)

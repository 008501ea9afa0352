"""What a study looks for, and the outcomes of its trials, become the best of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from fincompress.config import settings
from fincompress.studies.search_space import Scalar

F1, LATENCY = "validation macro-F1", "ms of latency"

Direction = Literal["maximize", "minimize"]


@settings
class Goal:
    """The best macro-F1; with `latency`, that and the lowest latency; or one under a constraint.

    Under `max_latency_ms` it is the best macro-F1, and under `max_f1_drop` (below the teacher's,
    on validation) the lowest latency.
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
        return self.latency or self.max_latency_ms is not None or self.max_f1_drop is not None

    def values(self, f1: float, latency_ms: float | None) -> list[float]:
        found = {F1: f1, LATENCY: latency_ms}
        return [cast(float, found[name]) for name in self.objectives]

    def excess(self, f1: float, latency_ms: float | None, teacher_f1: float) -> dict[str, float]:
        """By how much each constraint is missed; it is met at 0 and below."""
        found = {}
        if self.max_latency_ms is not None:
            found["max_latency_ms"] = cast(float, latency_ms) - self.max_latency_ms
        if self.max_f1_drop is not None:
            found["max_f1_drop"] = teacher_f1 - f1 - self.max_f1_drop
        return found


@dataclass(frozen=True)
class Outcome:
    """What became of a trial. `state` is one of complete, pruned, fail, running and waiting."""

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

    @property
    def over(self) -> bool:
        return self.state not in ("running", "waiting")


def best(outcomes: Sequence[Outcome], goal: Goal) -> Outcome | None:
    """Return the best complete trial that meets the constraint, or None; ties go to the first.

    With two objectives it is the fastest of those as accurate as the variant's own config (the
    trial in place 0), or the most accurate if that did not complete.
    """
    able = [o for o in outcomes if o.state == "complete" and o.feasible]
    own = next((o for o in able if o.place == 0), None)
    if list(goal.objectives) == [F1] or (own is None and F1 in goal.objectives):
        return max(able, key=_f1, default=None)
    if F1 in goal.objectives and own is not None:
        able = [o for o in able if _f1(o) >= _f1(own)]
    return min(able, key=_latency, default=None)


def front(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the complete trials that no other beats in macro-F1 and latency, fastest first."""
    found: list[Outcome] = []
    done = [o for o in outcomes if o.state == "complete" and o.latency_ms is not None]
    for outcome in sorted(done, key=lambda o: (_latency(o), -_f1(o))):
        if not found or _f1(outcome) > _f1(found[-1]):
            found.append(outcome)
    return found


def described(outcome: Outcome) -> str:
    latency = "" if outcome.latency_ms is None else f" at {outcome.latency_ms:.2f} ms"
    return f"{outcome.f1:.4f}{latency} (trial {outcome.trial})"


def _f1(outcome: Outcome) -> float:
    return cast(float, outcome.f1)


def _latency(outcome: Outcome) -> float:
    return cast(float, outcome.latency_ms)

"""Measurements and a gate become a decision: which variant holds which role, and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from fincompress.evaluation.measurement import AGREEMENT, F1_DROP, P50, SPEEDUP, Measurement
from fincompress.spec import settings

CHAMPION, CHALLENGER, FASTEST = "champion", "challenger", "fastest"
SMALLEST, MOST_ACCURATE = "smallest", "most-accurate"
ROLES = (CHAMPION, CHALLENGER, FASTEST, SMALLEST, MOST_ACCURATE)
TEACHER = "teacher"
AT_LEAST, AT_MOST = "at least", "at most"
TIMED = (SPEED, RELIABLE) = ("speed-up", "reliable")  # the rules that are about timings


@settings
class Gate:
    """What a champion must keep, against the teacher and on validation.

    `max_f1_drop`: the largest drop of macro-F1. `min_agreement`: the smallest share of sentences
    with the teacher's label. `min_speedup`: the smallest factor between the median latencies.
    `reliable`: whether the machine must have kept its speed while it was measured.
    """

    max_f1_drop: Annotated[float, Field(ge=0, lt=1)] = 0.01
    min_agreement: Annotated[float, Field(ge=0, le=1)] = 0.9
    min_speedup: Annotated[float, Field(gt=0)] = 1.0
    max_size_mb: Annotated[float, Field(gt=0)] | None = None
    reliable: bool = True


@dataclass(frozen=True)
class Check:
    """One rule applied to one variant. `margin` is how far it is inside (or, < 0, outside)."""

    variant: str
    rule: str
    value: float
    bound: str  # AT_LEAST or AT_MOST
    limit: float
    margin: float
    passed: bool
    note: str

    def __str__(self) -> str:
        return f"{self.rule} {self.value:.4g}, {self.bound} {self.limit:.4g}"


@dataclass(frozen=True)
class Decision:
    """`roles` names a variant for each role; those in `kept` stay with whoever holds them.

    A role in neither can be held by nobody. `reason` is why the champion is, or stays, champion;
    `passing` are the variants within the gate, the fastest first.
    """

    roles: dict[str, str]
    kept: tuple[str, ...]
    reason: str
    passing: tuple[str, ...]
    checks: tuple[Check, ...]

    def explain(self) -> str:
        held = [f"{role:<14} {self._holder(role)}" for role in ROLES]
        rows = [
            [
                c.variant,
                c.rule,
                f"{c.value:.4g}",
                f"{c.bound} {c.limit:.4g}",
                f"margin {c.margin:+.4g}",
                "passes" if c.passed else "fails",
                c.note,
            ]
            for c in self.checks
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = [
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([*held, self.reason, "", *table])

    def _holder(self, role: str) -> str:
        return "as it was" if role in self.kept else self.roles.get(role, "nobody")


def decide(
    measurements: Sequence[Measurement],
    gate: Gate,
    *,
    incumbent: str | None = None,
    same_answers: Mapping[str, float] | None = None,
) -> Decision:
    """Give each role to a variant. Validation decides, never test.

    champion: the fastest (lowest median latency) of those that pass every check, but an
    `incumbent` that passes, or cannot be timed, is only replaced by one that is faster beyond
    noise; challenger: the fastest other one that passes. fastest looks at all that were timed
    reliably; smallest and most-accurate look at all. Ties go to the variant measured first.
    Where no speed is known champion, challenger and fastest are kept, and where none passes
    champion and challenger. `same_answers` has, for the registered models that were asked, the
    share of sentences to which they gave the label that was measured.
    """
    if not gate.reliable:
        measurements = [replace(m, unreliable="") for m in measurements]
    checks = tuple(check for m in measurements for check in _checks(m, gate, same_answers or {}))
    failed = {check.variant for check in checks if not check.passed}
    by_speed = sorted(measurements, key=lambda m: m.latency_p50_ms)
    passing = [m for m in by_speed if m.variant not in failed]
    reliable = [m for m in by_speed if not m.unreliable]
    roles: dict[str, str] = {}
    kept = []
    champion, reason = _champion(measurements, passing, checks, incumbent)
    if champion is None:
        kept.append(CHAMPION)
    else:
        roles[CHAMPION] = champion
    others = [m for m in passing if m.variant != champion]
    if not passing:
        kept.append(CHALLENGER)
    elif others:
        roles[CHALLENGER] = others[0].variant
    if not reliable:
        kept.append(FASTEST)
    else:
        roles[FASTEST] = reliable[0].variant
    roles[SMALLEST] = min(measurements, key=lambda m: m.size_mb).variant
    roles[MOST_ACCURATE] = max(measurements, key=lambda m: m.val_macro_f1).variant
    return Decision(roles, tuple(kept), reason, tuple(m.variant for m in passing), checks)


def _champion(
    measurements: Sequence[Measurement],
    passing: Sequence[Measurement],
    checks: Sequence[Check],
    incumbent: str | None,
) -> tuple[str | None, str]:
    """The champion, or None where whoever it is stays, and why."""
    if not passing:
        timed = any(not m.unreliable for m in measurements)
        why = "no candidate passes the gate" if timed else "no candidate was timed reliably"
        return None, f"{incumbent} stays champion: {why}" if incumbent else f"no champion: {why}"
    best = passing[0]
    now = next((m for m in measurements if m.variant == incumbent), None)
    if now is None:
        gone = f", and {incumbent}, champion until now, was not measured" if incumbent else ""
        return best.variant, f"{best.variant} is champion: it is the fastest that passes{gone}"
    broken = [c for c in checks if c.variant == incumbent and not c.passed]
    if now.unreliable:
        broken = [c for c in broken if c.rule not in TIMED]
        if not broken:
            why = f"its timings are unreliable ({now.unreliable})"
            return None, f"{incumbent} stays champion: {why}, so nothing is known to be faster"
    if broken:
        why = f"{incumbent} fails {' and '.join(map(str, broken))}"
        return best.variant, f"{best.variant} replaces {incumbent} as champion: {why}"
    if faster := [m for m in passing if m.intervals[P50][1] < now.intervals[P50][0]]:
        why = f"{_speed(faster[0])} is faster beyond noise than {_speed(now)}"
        return faster[0].variant, f"{faster[0].variant} replaces {incumbent} as champion: {why}"
    why = f"{best.variant} ({_speed(best)}) is not faster beyond noise ({_speed(now)})"
    if best is now:
        why = "it is the fastest that passes"
    return incumbent, f"{incumbent} stays champion: {why}"


def _speed(m: Measurement) -> str:
    low, high = m.intervals[P50]
    return f"{m.latency_p50_ms:.2f} ms [{low:.2f}, {high:.2f}]"


def _checks(m: Measurement, gate: Gate, same_answers: Mapping[str, float]) -> Iterator[Check]:
    low, high = m.intervals[F1_DROP]
    drop, interval = m.metrics[F1_DROP], f"95 % [{low:.4g}, {high:.4g}]"
    yield _check(m, "validation F1 drop", drop, AT_MOST, gate.max_f1_drop, interval)
    yield _check(m, "teacher's labels", m.metrics[AGREEMENT], AT_LEAST, gate.min_agreement)
    yield _check(m, SPEED, m.metrics[SPEEDUP], AT_LEAST, gate.min_speedup)
    if gate.max_size_mb is not None:
        yield _check(m, "size in MB", m.size_mb, AT_MOST, gate.max_size_mb)
    yield _check(m, RELIABLE, float(not m.unreliable), AT_LEAST, 1.0, m.unreliable)
    if m.variant in same_answers:
        yield _check(m, "same answers", same_answers[m.variant], AT_LEAST, 1.0)


def _check(
    m: Measurement, rule: str, value: float, bound: str, limit: float, note: str = ""
) -> Check:
    margin = value - limit if bound == AT_LEAST else limit - value
    passed = margin >= -1e-9  # a value of exactly the limit passes whatever the rounding
    return Check(m.variant, rule, value, bound, limit, margin, passed, note)

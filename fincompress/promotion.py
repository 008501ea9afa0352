"""Promotion: decides from measurements and a gate which version holds which role, and why.

`decide` is a pure function. The second half, from `champion_history` on, replays the tags of
earlier decisions: who was champion before, and which versions were rolled back.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, isfinite, log10, nan
from typing import Annotated

from pydantic import Field

from fincompress.config import settings
from fincompress.evaluation.metrics import paired_ratio
from fincompress.evaluation.results import (
    AGREEMENT,
    ALL_FAMILIES,
    BEHAVIOUR_OPEN,
    F1_DROP,
    SPEEDUP,
    Measurement,
    behaviour_key,
)

CHAMPION, CHALLENGER, FASTEST = "champion", "challenger", "fastest"
SMALLEST, MOST_ACCURATE = "smallest", "most-accurate"
ROLES = (CHAMPION, CHALLENGER, FASTEST, SMALLEST, MOST_ACCURATE)
TEACHER = "teacher"
AT_LEAST, AT_MOST = "at least", "at most"
# The rules of the gate, as they are shown.
DROP_RULE, AGREEMENT_RULE = "validation F1 drop", "teacher's labels"
SPEEDUP_RULE, RELIABLE_RULE = "speed-up", "reliable"
BEHAVIOUR_RULE = "behavioural tests"
SIZE_RULE, SAME_ANSWERS_RULE = "size in MB", "same answers"
ROLLED_BACK_RULE = "rolled back"  # about the role of champion alone
TIMING_RULES = (SPEEDUP_RULE, RELIABLE_RULE)
GATE_KEYS = {
    DROP_RULE: "max_f1_drop",
    AGREEMENT_RULE: "min_agreement",
    SPEEDUP_RULE: "min_speedup",
    SIZE_RULE: "max_size_mb",
    BEHAVIOUR_RULE: "min_behaviour",
}
# Why the teacher's own speed-up, which is 1 by definition, counts as unknown.
TEACHER_NOT_TIMED = "no other variant was timed reliably"


@settings
class Gate:
    """The conditions for being champion: compared with the teacher, on validation.

    `max_f1_drop`: the largest drop of macro-F1 below the teacher's. `min_agreement`: the smallest
    share of sentences with the teacher's label. `min_speedup`: the smallest speed-up, the teacher's
    latency over the variant's. `max_size_mb`: the largest size of the files that are deployed, in
    10^6 bytes; without it any size passes. `min_behaviour`: the smallest share of the open half of
    the behavioural tests that a variant must pass; without it any share does. `reliable`: whether a
    variant fails if its speed-up is not known well: measured in fewer than 20 rounds, or with an
    interval that includes 1 and is wider than a tenth of it to either side.
    """

    max_f1_drop: Annotated[float, Field(ge=0, lt=1)] = 0.01
    min_agreement: Annotated[float, Field(ge=0, le=1)] = 0.9
    min_speedup: Annotated[float, Field(gt=0)] = 1.0
    max_size_mb: Annotated[float, Field(gt=0)] | None = None
    min_behaviour: Annotated[float, Field(ge=0, le=1)] | None = None
    reliable: bool = True


@dataclass(frozen=True)
class SameAnswers:
    """How well the answers of a registered model, loaded as it is served, match those measured.

    `share`: of the validation sentences that got the same label. `least`: the smallest share that
    passes. `note`: why `least` is below 1, or why `share` is 0.
    """

    share: float
    least: float = 1.0
    note: str = ""


@dataclass(frozen=True)
class Check:
    """One rule applied to one variant.

    `variant`: its name. `rule`: the name of the rule. `value`: what the variant has. `bound`:
    whether it must be `at least` or `at most` the limit. `limit`: of the gate. `margin`: how far
    the value is inside the limit; outside if negative. `passed`: whether it is inside, or equal.
    `note`: an explanation: an interval, or why it fails.
    """

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
    """Who holds which role.

    `roles`: the variant for each role. `kept`: the roles that stay with their holders. A role in
    neither is held by nobody. `reason`: why the champion is, or stays, champion. `passing`: the
    variants within the gate, the fastest first. `checks`: every rule applied to every variant.
    """

    roles: dict[str, str]
    kept: tuple[str, ...]
    reason: str
    passing: tuple[str, ...]
    checks: tuple[Check, ...]

    def explain(self) -> str:
        """Return the roles, the reason and a table of all checks, as text."""
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
        return "unchanged" if role in self.kept else self.roles.get(role, "nobody")


def decide(
    measurements: Sequence[Measurement],
    gate: Gate,
    *,
    incumbent: int | None = None,
    barred: Collection[int] = (),
    same_answers: Mapping[str, SameAnswers] | None = None,
) -> Decision:
    """Give each role to one of the measured versions. Validation decides, never test.

    * champion: the fastest version (lowest median latency) that passes every check. The version
      `incumbent` is replaced only by one that is faster beyond noise: the ratio of the two, round
      by round, has an interval above 1. It has to pass the checks itself; but one that fails
      by its timings alone, because these are unreliable, counts as passing. An incumbent that was
      not measured stays.
    * challenger: the fastest other version that passes.
    * fastest: among all that were timed reliably. smallest, most-accurate: among all.

    Ties go to the version that was measured first. Versions in `barred`, which were rolled back,
    can hold every role but champion. Where nothing was timed reliably, champion, challenger and
    fastest are kept; where nothing passes, champion and challenger. The teacher's speed-up, 1 by
    definition, counts as reliable only if another's is. `same_answers` has, by variant, what
    registered models answered; the others are not checked for it.
    """
    measurements = _timed(measurements, gate)
    checks = tuple(
        check for m in measurements for check in _checks(m, gate, barred, same_answers or {})
    )
    failed = {c.variant for c in checks if not c.passed and c.rule != ROLLED_BACK_RULE}
    by_speed = sorted(measurements, key=lambda m: m.latency_p50_ms)
    passing = [m for m in by_speed if m.variant not in failed]
    reliable = [m for m in by_speed if not m.unreliable]
    eligible = [m for m in passing if m.version not in barred]
    roles: dict[str, str] = {}
    kept = []
    champion, reason = _champion(measurements, passing, eligible, checks, incumbent)
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


def remedies(decision: Decision, study_file: str) -> list[str]:
    """Return what would let the variants pass that fail the fewest checks, a line for each remedy.

    Returns [] if a variant passes. `study_file` is where the gate is written, for the text.
    """
    failed: dict[str, list[Check]] = {}
    for check in decision.checks:
        if not check.passed:
            failed.setdefault(check.variant, []).append(check)
    if failed.keys() < {check.variant for check in decision.checks}:
        return []
    fewest = min(map(len, failed.values()), default=0)
    lines: dict[str, list[str]] = {}
    for variant, checks in failed.items():
        if len(checks) == fewest:
            remedy = " and ".join(_remedy(check, study_file) for check in checks)
            lines.setdefault(remedy, []).append(variant)
    return [f"to let {', '.join(names)} pass: {remedy}" for remedy, names in lines.items()]


def _remedy(check: Check, study_file: str) -> str:
    if check.rule == RELIABLE_RULE:
        return f"more benchmark.latency_runs, or a quieter machine ({check.note})"
    if check.rule == ROLLED_BACK_RULE:
        return check.note
    missed = f"{check.rule} {check.value:.4g} misses {check.limit:.4g} by {-check.margin:.4g}"
    if check.rule not in GATE_KEYS or not isfinite(check.value):
        return f"rebuild it with --again ({missed})"
    return f"gate.{GATE_KEYS[check.rule]}: {_enough(check):.4g} in {study_file} ({missed})"


def _enough(check: Check) -> float:
    """The limit, rounded to three digits, that the value just meets."""
    step = 10.0 ** (floor(log10(abs(check.value))) - 2) if check.value else 1.0
    steps = round(check.value / step, 6)  # so that 0.05 is 500 steps, and not 500.0000001
    return step * (floor(steps) if check.bound == AT_LEAST else ceil(steps))


def _timed(measurements: Sequence[Measurement], gate: Gate) -> Sequence[Measurement]:
    """The measurements, with `unreliable` as the gate judges it."""
    if not gate.reliable:
        return [replace(m, unreliable="") for m in measurements]
    others = [m for m in measurements if m.variant != TEACHER]
    if not others or not all(m.unreliable for m in others):
        return measurements
    return [replace(m, unreliable=m.unreliable or TEACHER_NOT_TIMED) for m in measurements]


def _champion(
    measurements: Sequence[Measurement],
    passing: Sequence[Measurement],
    eligible: Sequence[Measurement],
    checks: Sequence[Check],
    incumbent: int | None,
) -> tuple[str | None, str]:
    """The champion, one of `eligible`, or None if the present one stays; and why.

    `passing` and `eligible`, those of them that were not rolled back, have the fastest first.
    """
    now = next((m for m in measurements if m.version == incumbent), None) if incumbent else None
    name = now.variant if now else f"version {incumbent}"
    if not eligible:
        why = "no candidate passes the gate"
        if passing:
            why = "every candidate that passes the gate was rolled back"
        elif all(m.unreliable for m in measurements):
            why = "no candidate was timed reliably"
        return None, f"{name} stays champion: {why}" if incumbent else f"no champion: {why}"
    best = eligible[0]
    if not incumbent:
        return best.variant, f"{best.variant} is champion: it is the fastest that passes"
    if now is None:
        return (
            None,
            f"{name} stays champion: it was not measured, and nothing is known to be faster",
        )
    failed = [c for c in checks if c.variant == name and not c.passed]
    if now.unreliable:  # its ratio to another version may be known well all the same
        failed = [c for c in failed if c.rule not in TIMING_RULES]
    if failed:
        why = f"{name} fails {' and '.join(map(str, failed))}"
        return best.variant, f"{best.variant} replaces {name} as champion: {why}"
    for m in eligible:
        factor, (low, high) = _times_as_fast(m, now)
        if low > 1:
            why = f"it is {_factor(factor, low, high)} as fast, beyond noise"
            return m.variant, f"{m.variant} replaces {name} as champion: {why}"
    why = "it is the fastest that passes"
    if best is not now:
        factor, (low, high) = _times_as_fast(best, now)
        why = f"{best.variant} is {_factor(factor, low, high)} as fast, which is within noise"
    return name, f"{name} stays champion: {why}"


def _times_as_fast(m: Measurement, now: Measurement) -> tuple[float, tuple[float, float]]:
    """How many times as fast as the champion, round by round, with its 95 % interval."""
    return paired_ratio(now.round_medians_ms, m.round_medians_ms)


def _factor(value: float, low: float, high: float) -> str:
    return f"{value:.2f} [{low:.2f}, {high:.2f}] times"


def _checks(
    m: Measurement,
    gate: Gate,
    barred: Collection[int],
    same_answers: Mapping[str, SameAnswers],
) -> Iterator[Check]:
    low, high = m.intervals[F1_DROP]
    drop, interval = m.metrics[F1_DROP], f"95 % [{low:.4g}, {high:.4g}]"
    yield _check(m, DROP_RULE, drop, AT_MOST, gate.max_f1_drop, interval)
    yield _check(m, AGREEMENT_RULE, m.metrics[AGREEMENT], AT_LEAST, gate.min_agreement)
    yield _check(m, SPEEDUP_RULE, m.metrics[SPEEDUP], AT_LEAST, gate.min_speedup)
    if gate.max_size_mb is not None:
        yield _check(m, SIZE_RULE, m.size_mb, AT_MOST, gate.max_size_mb)
    if gate.min_behaviour is not None:
        passed = m.metrics.get(behaviour_key(ALL_FAMILIES, BEHAVIOUR_OPEN), nan)
        yield _check(m, BEHAVIOUR_RULE, passed, AT_LEAST, gate.min_behaviour)
    yield _check(m, RELIABLE_RULE, float(not m.unreliable), AT_LEAST, 1.0, m.unreliable)
    if m.variant in same_answers:
        same = same_answers[m.variant]
        yield _check(m, SAME_ANSWERS_RULE, same.share, AT_LEAST, same.least, same.note)
    if m.version in barred:
        note = (
            f"a rollback took the alias from it; to let it compete again, set {CHAMPION} to "
            f"version {m.version} by hand, or rebuild it with --again"
        )
        yield _check(m, ROLLED_BACK_RULE, 1.0, AT_MOST, 0.0, note)


def _check(
    m: Measurement, rule: str, value: float, bound: str, limit: float, note: str = ""
) -> Check:
    margin = value - limit if bound == AT_LEAST else limit - value
    passed = margin >= -1e-9  # a value of exactly the limit passes whatever the rounding
    return Check(m.variant, rule, value, bound, limit, margin, passed, note)


def champion_history(
    decisions: Sequence[Mapping[str, str]], now: int, same: Mapping[int, int]
) -> list[int]:
    """Replay decisions, and return the champions so far, as versions; `now` is the last.

    `decisions` are the tags of their runs, the oldest first: one that moved the alias adds a
    champion, a rollback removes the last. `now` has the alias, which may have been moved by hand.
    `same` maps versions with the same model to the first of them.
    """
    history: list[int] = []
    for tags in decisions:
        before, after = champion_change(tags, same)
        if before:
            history = _extend_or_cut(history, before)
        if "rollback" in tags:
            history = _extend_or_cut(history[:-1], after)
        elif after != before:
            history.append(after)
    return _extend_or_cut(history, same.get(now, now))


def champion_change(tags: Mapping[str, str], same: Mapping[int, int]) -> tuple[int, int]:
    """Return the champions before and after a decision, by the tags of its run; 0 for none."""
    before, after = (int(tags.get(f"champion_{end}", 0)) for end in ("before", "after"))
    return same.get(before, before), same.get(after, after)


def rolled_back_versions(
    decisions: Sequence[Mapping[str, str]], now: int | None, same: Mapping[int, int]
) -> set[int]:
    """Replay decisions, and return the versions that rollbacks took the alias from.

    The arguments are those of `champion_history`. A version that has had the alias again since,
    because someone gave it back by hand, is not among them.
    """
    versions: set[int] = set()
    for tags in decisions:
        before, after = champion_change(tags, same)
        versions -= {before, after}
        if "rollback" in tags:
            versions |= {before}
    return versions - {same.get(now, now) if now else 0}


def _extend_or_cut(history: list[int], version: int) -> list[int]:
    """End the history with `version`: cut what came after it, or append it if it is new."""
    if version not in history:
        return [*history, version]
    return history[: len(history) - history[::-1].index(version)]

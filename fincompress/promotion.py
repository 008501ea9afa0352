"""Measurements and a gate become a decision: which variant holds which role, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from fincompress.evaluation.measurement import Measurement
from fincompress.spec import UserError, settings

CHAMPION, CHALLENGER = "champion", "challenger"
ROLES = (CHAMPION, CHALLENGER, "fastest", "smallest", "most-accurate")
TEACHER = "teacher"


@settings
class Gate:
    """What a champion must keep: a drop of validation macro-F1 below the teacher's, at most."""

    max_f1_drop: Annotated[float, Field(ge=0, lt=1)] = 0.01


@dataclass(frozen=True)
class Check:
    """One rule applied to one variant. `margin` is how far it is inside (or, < 0, outside)."""

    variant: str
    rule: str
    value: float
    limit: float
    margin: float
    passed: bool


@dataclass(frozen=True)
class Decision:
    """`roles` names a variant for each role; a role that nobody can hold is not in it."""

    roles: dict[str, str]
    checks: tuple[Check, ...]

    def explain(self) -> str:
        lines = [f"{role:<14} {variant}" for role, variant in self.roles.items()]
        for check in self.checks:
            verdict = "passes" if check.passed else "fails "
            lines.append(
                f"{verdict} {check.rule}: {check.variant} {check.value:.4f}, "
                f"at least {check.limit:.4f}, margin {check.margin:+.4f}"
            )
        return "\n".join(lines)


def decide(measurements: Sequence[Measurement], gate: Gate) -> Decision:
    """Give each role to a variant. Validation decides, never test.

    champion: the fastest (lowest median latency) of those within the gate; challenger: the
    next of them; fastest, smallest and most-accurate look at all variants. Ties go to the
    variant measured first. Raises `UserError` if the teacher was not measured.
    """
    by_name = {m.variant: m for m in measurements}
    if TEACHER not in by_name:
        raise UserError("promotion: the teacher must be among the measured variants")
    limit = by_name[TEACHER].val_macro_f1 - gate.max_f1_drop
    checks = []
    for m in measurements:
        margin = m.val_macro_f1 - limit
        passed = margin >= -1e-9  # a drop of exactly max_f1_drop passes whatever the rounding
        checks.append(
            Check(m.variant, "validation macro-F1", m.val_macro_f1, limit, margin, passed)
        )
    passing = [by_name[check.variant] for check in checks if check.passed]
    by_speed = sorted(passing, key=lambda m: m.latency_p50_ms)
    roles = {CHAMPION: by_speed[0].variant}
    if len(by_speed) > 1:
        roles[CHALLENGER] = by_speed[1].variant
    roles["fastest"] = min(measurements, key=lambda m: m.latency_p50_ms).variant
    roles["smallest"] = min(measurements, key=lambda m: m.size_mb).variant
    roles["most-accurate"] = max(measurements, key=lambda m: m.val_macro_f1).variant
    return Decision(roles, tuple(checks))

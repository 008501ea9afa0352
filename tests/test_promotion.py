"""Who gets which role: each rule of the decision as a row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from fincompress.evaluation.measurement import Measurement
from fincompress.promotion import ROLES, Gate, decide
from fincompress.spec import UserError, parse

KEPT = "as it was"


def measured(
    variant: str, f1: float, p50: float, size: float, agreement: float = 1.0, unreliable: str = ""
) -> Measurement:
    """Of a teacher of F1 0.9 and 10 ms; the interval of the latency is 5 % to each side."""
    metrics = {
        "val/macro_f1": f1,
        "val/f1_drop": 0.9 - f1,
        "val/agreement": agreement,
        "bench/latency_p50_ms": p50,
        "bench/speedup_vs_teacher": 10 / p50,
        "bench/size_mb": size,
    }
    return Measurement(
        variant=variant, version=1, runtime="torch_eager", metrics=metrics, unreliable=unreliable,
        intervals={
            "val/f1_drop": (0.89 - f1, 0.91 - f1),
            "bench/latency_p50_ms": (0.95 * p50, 1.05 * p50),
        },
    )  # fmt: skip


def noisy(m: Measurement) -> Measurement:
    return replace(m, unreliable="the clock jumped")


GATE = Gate(max_f1_drop=0.01)
TEACHER = measured("teacher", 0.900, 10.0, 90.0)
GOOD = measured("good", 0.895, 5.0, 70.0)
NEAR = measured("near", 0.895, 4.8, 75.0)
BETTER = measured("better", 0.910, 6.0, 75.0)
QUICK = measured("quick", 0.850, 1.0, 20.0)
EDGE = measured("edge", 0.890, 2.0, 80.0)
SLOW = measured("slow", 0.900, 12.5, 50.0)
LARGE = measured("large", 0.900, 4.0, 95.0)
OTHER = measured("other", 0.900, 4.0, 70.0, agreement=0.85)
FAILS = "replaces quick as champion: quick fails validation F1 drop 0.05, at most 0.01"
FIRST = "is champion: it is the fastest that passes"

# What it shows, the measurements, the roles in the order of ROLES, the reason.
FRESH = [
    ("the teacher alone is champion", GATE, [TEACHER],
     ["teacher", None, "teacher", "teacher", "teacher"], f"teacher {FIRST}"),
    ("the fastest within the gate wins", GATE, [TEACHER, BETTER, GOOD],
     ["good", "better", "good", "good", "better"], f"good {FIRST}"),
    ("a drop that is too large", GATE, [TEACHER, QUICK],
     ["teacher", None, "quick", "quick", "teacher"], f"teacher {FIRST}"),
    ("a drop of exactly the limit", GATE, [TEACHER, EDGE],
     ["edge", "teacher", "edge", "edge", "teacher"], f"edge {FIRST}"),
    ("slower than the teacher", GATE, [TEACHER, SLOW],
     ["teacher", None, "teacher", "slow", "teacher"], f"teacher {FIRST}"),
    ("a speed-up of exactly the limit", Gate(min_speedup=0.8), [TEACHER, SLOW],
     ["teacher", "slow", "teacher", "slow", "teacher"], f"teacher {FIRST}"),
    ("too large", Gate(max_size_mb=90.0), [TEACHER, LARGE],
     ["teacher", None, "large", "teacher", "teacher"], f"teacher {FIRST}"),
    ("a size of exactly the limit", Gate(max_size_mb=95.0), [TEACHER, LARGE],
     ["large", "teacher", "large", "teacher", "teacher"], f"large {FIRST}"),
    ("labels that are not the teacher's", GATE, [TEACHER, OTHER],
     ["teacher", None, "other", "other", "teacher"], f"teacher {FIRST}"),
    ("an agreement of exactly the limit", Gate(min_agreement=0.85), [TEACHER, OTHER],
     ["other", "teacher", "other", "other", "teacher"], f"other {FIRST}"),
    ("timed unreliably one cannot be fastest", GATE, [TEACHER, GOOD, noisy(EDGE)],
     ["good", "teacher", "good", "good", "teacher"], f"good {FIRST}"),
    ("with no reliable timing speed decides nothing", GATE, [noisy(TEACHER), noisy(GOOD)],
     [KEPT, KEPT, KEPT, "good", "teacher"], "no champion: no candidate was timed reliably"),
    ("with none that passes", Gate(max_size_mb=10.0), [TEACHER, GOOD],
     [KEPT, KEPT, "good", "good", "teacher"], "no champion: no candidate passes the gate"),
    ("a tie goes to the first", GATE, [TEACHER, GOOD, replace(GOOD, variant="twin")],
     ["good", "twin", "good", "good", "teacher"], f"good {FIRST}"),
]  # fmt: skip

# What it shows, the measurements, the incumbent, champion and challenger, the reason.
INCUMBENTS = [
    ("within noise it stays", [TEACHER, GOOD, NEAR], "good", ["good", "near"],
     "good stays champion: near (4.80 ms [4.56, 5.04]) is not faster beyond noise "
     "(5.00 ms [4.75, 5.25])"),
    ("beyond noise it is replaced", [TEACHER, EDGE, GOOD], "good", ["edge", "good"],
     "edge replaces good as champion: 2.00 ms [1.90, 2.10] is faster beyond noise than "
     "5.00 ms [4.75, 5.25]"),
    ("intervals that touch are within noise",
     [TEACHER, GOOD, replace(NEAR, intervals=NEAR.intervals | {"bench/latency_p50_ms": (4, 4.75)})],
     "good", ["good", "near"],
     "good stays champion: near (4.80 ms [4.00, 4.75]) is not faster beyond noise "
     "(5.00 ms [4.75, 5.25])"),
    ("one that is known to be faster wins over a faster one that is not",
     [TEACHER, GOOD, replace(EDGE, intervals=EDGE.intervals | {"bench/latency_p50_ms": (1, 9)}),
      replace(LARGE, variant="sure")],
     "good", ["sure", "edge"],
     "sure replaces good as champion: 4.00 ms [3.80, 4.20] is faster beyond noise than "
     "5.00 ms [4.75, 5.25]"),
    ("the fastest stays", [TEACHER, GOOD], "good", ["good", "teacher"],
     "good stays champion: it is the fastest that passes"),
    ("a tie does not move it", [TEACHER, replace(GOOD, variant="twin"), GOOD], "good",
     ["good", "twin"], "good stays champion: twin (5.00 ms [4.75, 5.25]) is not faster beyond "
     "noise (5.00 ms [4.75, 5.25])"),
    ("alone within the gate it has no challenger", [TEACHER, QUICK], "teacher", ["teacher", None],
     "teacher stays champion: it is the fastest that passes"),
    ("failing the gate it is replaced, however fast", [TEACHER, GOOD, QUICK], "quick",
     ["good", "teacher"], f"good {FAILS}"),
    ("unreliable, it stays, for nobody knows its speed", [TEACHER, noisy(GOOD), EDGE], "good",
     [KEPT, "edge"], "good stays champion: its timings are unreliable (the clock jumped), so "
     "nothing is known to be faster"),
    ("unreliable and slow by its timings, too",
     [TEACHER, noisy(SLOW), EDGE], "slow",
     [KEPT, "edge"], "slow stays champion: its timings are unreliable (the clock jumped), so "
     "nothing is known to be faster"),
    ("unreliable and inaccurate it is replaced", [TEACHER, GOOD, noisy(QUICK)], "quick",
     ["good", "teacher"], f"good {FAILS}"),
    ("with no reliable timing it stays", [noisy(TEACHER), noisy(GOOD), noisy(EDGE)], "teacher",
     [KEPT, KEPT], "teacher stays champion: no candidate was timed reliably"),
    ("with none that passes it stays", [QUICK, replace(QUICK, variant="swift")], "quick",
     [KEPT, KEPT], "quick stays champion: no candidate passes the gate"),
    ("not measured, it can be compared with nothing", [TEACHER, GOOD], "old", ["good", "teacher"],
     f"good {FIRST}, and old, champion until now, was not measured"),
    ("not measured, it stays where none passes", [QUICK], "old", [KEPT, KEPT],
     "old stays champion: no candidate passes the gate"),
]  # fmt: skip

ANSWERS = [
    ("other answers than those measured", {"good": 0.998}, None, ["teacher", None],
     f"teacher {FIRST}"),
    ("the same answers", {"teacher": 1.0, "good": 1.0}, None, ["good", "teacher"], f"good {FIRST}"),
    ("an incumbent with other answers", {"good": 0.998}, "good", ["teacher", None],
     "teacher replaces good as champion: good fails same answers 0.998, at least 1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("gate", "given", "expected", "reason"), [row[1:] for row in FRESH], ids=[r[0] for r in FRESH]
)
def test_roles(
    gate: Gate, given: Sequence[Measurement], expected: list[str | None], reason: str
) -> None:
    decision = decide(given, gate)
    held = decision.roles | dict.fromkeys(decision.kept, KEPT)
    assert [held.get(role) for role in ROLES] == expected
    assert decision.reason == reason


@pytest.mark.parametrize(
    ("given", "incumbent", "expected", "reason"),
    [row[1:] for row in INCUMBENTS],
    ids=[row[0] for row in INCUMBENTS],
)
def test_incumbents(
    given: Sequence[Measurement], incumbent: str, expected: list[str | None], reason: str
) -> None:
    decision = decide(given, GATE, incumbent=incumbent)
    held = decision.roles | dict.fromkeys(decision.kept, KEPT)
    assert [held.get(role) for role in ROLES[:2]] == expected
    assert decision.reason == reason


@pytest.mark.parametrize(
    ("same", "incumbent", "expected", "reason"),
    [row[1:] for row in ANSWERS],
    ids=[row[0] for row in ANSWERS],
)
def test_answers(
    same: Mapping[str, float], incumbent: str | None, expected: list[str | None], reason: str
) -> None:
    decision = decide([TEACHER, GOOD], GATE, incumbent=incumbent, same_answers=same)
    assert [decision.roles.get(role) for role in ROLES[:2]] == expected
    assert decision.reason == reason
    assert [c.variant for c in decision.checks if c.rule == "same answers"] == list(same)


def test_a_gate_that_asks_for_no_reliable_timings_takes_them_as_they_are() -> None:
    given = [TEACHER, noisy(GOOD), noisy(QUICK)]
    assert decide(given, Gate()).roles["champion"] == "teacher"
    assert decide(given, Gate(reliable=False)).roles["champion"] == "good"


def test_every_check_is_explained() -> None:
    decision = decide(
        [TEACHER, noisy(QUICK)], Gate(max_f1_drop=0.02, max_size_mb=90.0), incumbent="teacher"
    )
    assert decision.passing == ("teacher",)
    assert decision.explain().splitlines() == [
        "champion       teacher",
        "challenger     nobody",
        "fastest        teacher",
        "smallest       quick",
        "most-accurate  teacher",
        "teacher stays champion: it is the fastest that passes",
        "",
        "teacher  validation F1 drop  0     at most 0.02  margin +0.02  passes  95 % [-0.01, 0.01]",
        "teacher  teacher's labels    1     at least 0.9  margin +0.1   passes",
        "teacher  speed-up            1     at least 1    margin +0     passes",
        "teacher  size in MB          90    at most 90    margin +0     passes",
        "teacher  reliable            1     at least 1    margin +0     passes",
        "quick    validation F1 drop  0.05  at most 0.02  margin -0.03  fails   95 % [0.04, 0.06]",
        "quick    teacher's labels    1     at least 0.9  margin +0.1   passes",
        "quick    speed-up            10    at least 1    margin +9     passes",
        "quick    size in MB          20    at most 90    margin +70    passes",
        "quick    reliable            0     at least 1    margin -1     fails   the clock jumped",
    ]


def test_a_value_that_is_no_number_does_not_pass() -> None:
    unknown = replace(GOOD, metrics=GOOD.metrics | {"val/f1_drop": float("nan")})
    assert decide([TEACHER, unknown], GATE).passing == ("teacher",)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"min_agreement": 1.1}, "min_agreement: input should be less than or equal to 1, not 1.1"),
        ({"max_size_mb": 0}, "max_size_mb: input should be greater than 0, not 0"),
        ({"min_speed": 2}, "unknown key 'min_speed'; did you mean 'min_speedup'?"),
    ],
)
def test_a_wrong_gate_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        parse(Gate, wrong, "gate")

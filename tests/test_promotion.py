"""Who gets which role: each rule of the decision as a row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from fincompress.config import UserError, parse
from fincompress.evaluation.results import Measurement
from fincompress.promotion import CHAMPION, ROLES, Decision, Gate, SameAnswers, decide, remedies
from tests.support.measurements import GATE, GOOD, QUICK, TEACHER, VERSIONS, measured, noisy, uneven

KEPT = "as it was"


def called(m: Measurement, name: str) -> Measurement:
    return replace(m, variant=name, version=VERSIONS[name])


NEAR = uneven(measured("near", 0.895, 4.8, 75.0))
NEAR_IS = "near is 1.05 [0.95, 1.16] times as fast, which is within noise"
BETTER = measured("better", 0.910, 6.0, 75.0)
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
    ("nor with the teacher's alone, which is 1 whatever the machine did", GATE,
     [TEACHER, noisy(GOOD)],
     [KEPT, KEPT, KEPT, "good", "teacher"], "no champion: no candidate was timed reliably"),
    ("with none that passes", Gate(max_size_mb=10.0), [TEACHER, GOOD],
     [KEPT, KEPT, "good", "good", "teacher"], "no champion: no candidate passes the gate"),
    ("a tie goes to the first", GATE, [TEACHER, GOOD, called(GOOD, "twin")],
     ["good", "twin", "good", "good", "teacher"], f"good {FIRST}"),
]  # fmt: skip

# What it shows, the measurements, the incumbent, champion and challenger, the reason.
INCUMBENTS = [
    ("within noise it stays", [TEACHER, GOOD, NEAR], "good", ["good", "near"],
     f"good stays champion: {NEAR_IS}"),
    ("beyond noise it is replaced", [TEACHER, EDGE, GOOD], "good", ["edge", "good"],
     "edge replaces good as champion: it is 2.50 [2.50, 2.50] times as fast, beyond noise"),
    ("whatever the machine did meanwhile, if it did so to both",
     [TEACHER, *(replace(m, round_medians_ms=tuple(m.latency_p50_ms * (1 + n) for n in range(20)))
                 for m in (GOOD, LARGE))],
     "good", ["large", "good"],
     "large replaces good as champion: it is 1.25 [1.25, 1.25] times as fast, beyond noise"),
    ("as fast in every round is within noise", [TEACHER, GOOD, called(GOOD, "twin")], "twin",
     ["twin", "good"],
     "twin stays champion: good is 1.00 [1.00, 1.00] times as fast, which is within noise"),
    ("one that is known to be faster wins over a faster one that is not",
     [TEACHER, GOOD, NEAR, called(measured("sure", 0.9, 4.9, 80.0), "sure")],
     "good", ["sure", "near"],
     "sure replaces good as champion: it is 1.02 [1.02, 1.02] times as fast, beyond noise"),
    ("the fastest stays", [TEACHER, GOOD], "good", ["good", "teacher"],
     "good stays champion: it is the fastest that passes"),
    ("a newer version of its own variant has to win",
     [TEACHER, replace(NEAR, variant="good", version=VERSIONS["newer"]),
      replace(GOOD, variant="good@v2")],
     "good", ["good@v2", "good"],
     "good@v2 stays champion: good is 1.05 [0.95, 1.16] times as fast, which is within noise"),
    ("a newer version of its own variant that wins replaces it",
     [TEACHER, replace(EDGE, variant="good", version=VERSIONS["newer"]),
      replace(GOOD, variant="good@v2")],
     "good", ["good", "good@v2"],
     "good replaces good@v2 as champion: it is 2.50 [2.50, 2.50] times as fast, beyond noise"),
    ("alone within the gate it has no challenger", [TEACHER, QUICK], "teacher", ["teacher", None],
     "teacher stays champion: it is the fastest that passes"),
    ("failing the gate it is replaced, however fast", [TEACHER, GOOD, QUICK], "quick",
     ["good", "teacher"], f"good {FAILS}"),
    ("unreliable, it stays if none is faster in the rounds of both",
     [TEACHER, noisy(GOOD), NEAR], "good", ["good", "near"], f"good stays champion: {NEAR_IS}"),
    ("unreliable and slow by its timings, too", [noisy(SLOW), uneven(measured("sure", 0.9, 12, 9))],
     "slow", [KEPT, KEPT], "slow stays champion: no candidate passes the gate"),
    ("unreliable, it is replaced by one that is faster in the rounds of both",
     [TEACHER, noisy(GOOD), EDGE], "good", ["edge", "teacher"],
     "edge replaces good as champion: it is 2.50 [2.50, 2.50] times as fast, beyond noise"),
    ("unreliable and inaccurate it is replaced", [TEACHER, GOOD, noisy(QUICK)], "quick",
     ["good", "teacher"], f"good {FAILS}"),
    ("with no reliable timing it stays", [noisy(TEACHER), noisy(GOOD), noisy(EDGE)], "teacher",
     [KEPT, KEPT], "teacher stays champion: no candidate was timed reliably"),
    ("with none that passes it stays", [QUICK, called(QUICK, "swift")], "quick",
     [KEPT, KEPT], "quick stays champion: no candidate passes the gate"),
    ("not measured, it can be compared with nothing", [TEACHER, GOOD], "old", [KEPT, "good"],
     "version 13 stays champion: it was not measured, and nothing is known to be faster"),
    ("not measured, it stays where none passes", [QUICK], "old", [KEPT, KEPT],
     "version 13 stays champion: no candidate passes the gate"),
]  # fmt: skip

# What it shows, the measurements, the incumbent, who was rolled back, the roles, the reason.
BARRED = [
    ("what was rolled back is no champion, however fast", [TEACHER, GOOD, EDGE], "good", ["edge"],
     ["good", "edge", "edge", "good", "teacher"],
     "good stays champion: it is the fastest that passes"),
    ("nor is it a first one", [TEACHER, GOOD, EDGE], None, ["edge"],
     ["good", "edge", "edge", "good", "teacher"], f"good {FIRST}"),
    ("another version of its variant can be", [TEACHER, GOOD, EDGE], "good", ["newer"],
     ["edge", "good", "edge", "good", "teacher"],
     "edge replaces good as champion: it is 2.50 [2.50, 2.50] times as fast, beyond noise"),
    ("where nothing else passes all stays", [QUICK, GOOD], "old", ["good"],
     [KEPT, "good", "quick", "quick", "good"],
     "version 13 stays champion: every candidate that passes the gate was rolled back"),
]  # fmt: skip

ANSWERS = [
    ("other answers than those measured", {"good": SameAnswers(0.998)}, None, ["teacher", None],
     f"teacher {FIRST}"),
    ("the same answers", {"teacher": SameAnswers(1), "good": SameAnswers(1)}, None,
     ["good", "teacher"], f"good {FIRST}"),
    ("an incumbent with other answers", {"good": SameAnswers(0.998)}, "good", ["teacher", None],
     "teacher replaces good as champion: good fails same answers 0.998, at least 1"),
]  # fmt: skip


def holders(decision: Decision) -> list[str | None]:
    held = decision.roles | dict.fromkeys(decision.kept, KEPT)
    return [held.get(role) for role in ROLES]


@pytest.mark.parametrize(
    ("gate", "given", "expected", "reason"), [row[1:] for row in FRESH], ids=[r[0] for r in FRESH]
)
def test_roles(
    gate: Gate, given: Sequence[Measurement], expected: list[str | None], reason: str
) -> None:
    decision = decide(given, gate)
    assert holders(decision) == expected
    assert decision.reason == reason


@pytest.mark.parametrize(
    ("given", "incumbent", "expected", "reason"),
    [row[1:] for row in INCUMBENTS],
    ids=[row[0] for row in INCUMBENTS],
)
def test_incumbents(
    given: Sequence[Measurement], incumbent: str, expected: list[str | None], reason: str
) -> None:
    decision = decide(given, GATE, incumbent=VERSIONS[incumbent])
    assert holders(decision)[:2] == expected
    assert decision.reason == reason


@pytest.mark.parametrize(
    ("given", "incumbent", "barred", "expected", "reason"),
    [row[1:] for row in BARRED],
    ids=[row[0] for row in BARRED],
)
def test_what_was_rolled_back(
    given: Sequence[Measurement],
    incumbent: str | None,
    barred: list[str],
    expected: list[str | None],
    reason: str,
) -> None:
    numbers = {VERSIONS[name] for name in barred}
    now = VERSIONS[incumbent] if incumbent else None
    decision = decide(given, GATE, incumbent=now, barred=numbers)
    assert holders(decision) == expected
    assert decision.reason == reason
    (note,) = {c.note for c in decision.checks if c.rule == "rolled back"} or {""}
    measured_too = [m.version for m in given if m.version in numbers]
    assert note == (
        "a rollback took the alias from it; to let it compete again, set champion to version "
        f"{measured_too[0]} by hand, or rebuild it with --again" if measured_too else ""
    )  # fmt: skip


@pytest.mark.parametrize(
    ("same", "incumbent", "expected", "reason"),
    [row[1:] for row in ANSWERS],
    ids=[row[0] for row in ANSWERS],
)
def test_answers(
    same: Mapping[str, SameAnswers], incumbent: str | None, expected: list[str | None], reason: str
) -> None:
    now = VERSIONS[incumbent] if incumbent else None
    decision = decide([TEACHER, GOOD], GATE, incumbent=now, same_answers=same)
    assert [decision.roles.get(role) for role in ROLES[:2]] == expected
    assert decision.reason == reason
    assert [c.variant for c in decision.checks if c.rule == "same answers"] == list(same)


def test_kernels_that_round_otherwise_dethrone_nobody() -> None:
    here, elsewhere = (
        decide([TEACHER, GOOD], GATE, incumbent=2, same_answers={"good": SameAnswers(0.985, least)})
        for least in (1.0, 0.98)
    )
    assert (here.roles["champion"], elsewhere.roles["champion"]) == ("teacher", "good")


def test_a_gate_that_asks_for_no_reliable_timings_takes_them_as_they_are() -> None:
    given = [TEACHER, noisy(GOOD), noisy(QUICK)]
    assert "champion" not in decide(given, Gate()).roles
    assert decide(given, Gate(reliable=False)).roles["champion"] == "good"


def test_every_check_is_explained() -> None:
    decision = decide([GOOD, noisy(QUICK)], Gate(max_f1_drop=0.02, max_size_mb=90.0), incumbent=2)
    assert decision.passing == ("good",)
    assert decision.explain().splitlines() == [
        "champion       good",
        "challenger     nobody",
        "fastest        good",
        "smallest       quick",
        "most-accurate  good",
        "good stays champion: it is the fastest that passes",
        "",
        "good   validation F1 drop  0.005  at most 0.02  margin +0.015  passes  95 % [-0.005, 0.015]",  # noqa: E501
        "good   teacher's labels    1      at least 0.9  margin +0.1    passes",
        "good   speed-up            2      at least 1    margin +1      passes",
        "good   size in MB          70     at most 90    margin +20     passes",
        "good   reliable            1      at least 1    margin +0      passes",
        "quick  validation F1 drop  0.05   at most 0.02  margin -0.03   fails   95 % [0.04, 0.06]",
        "quick  teacher's labels    1      at least 0.9  margin +0.1    passes",
        "quick  speed-up            10     at least 1    margin +9      passes",
        "quick  size in MB          20     at most 90    margin +70     passes",
        "quick  reliable            0      at least 1    margin -1      fails   the clock jumped",
    ]


def test_a_gate_may_ask_for_a_share_of_the_behavioural_tests() -> None:
    gate = Gate(max_f1_drop=0.1, min_behaviour=0.8)
    weak, able = (
        m.with_quality({"behaviour_open/all": share}, {})
        for m, share in ((QUICK, 0.7), (GOOD, 0.8))
    )
    decision = decide([TEACHER, able, weak], gate)
    assert decision.roles[CHAMPION] == "good"
    failed = {c.variant: str(c) for c in decision.checks if not c.passed}
    assert failed == {
        "teacher": "behavioural tests nan, at least 0.8",  # of a benchmark without them
        "quick": "behavioural tests 0.7, at least 0.8",
    }
    asked = remedies(decide([weak], gate), "experiments/s.yaml")
    assert asked[0].startswith("to let quick pass: gate.min_behaviour: 0.7 in experiments/s.yaml")


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

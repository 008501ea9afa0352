"""What a command says where no candidate passes: which setting would let one."""

import re
from collections.abc import Sequence

import pytest

from fincompress.evaluation.results import Measurement
from fincompress.promotion import Gate, SameAnswers, decide, remedies
from tests.support.measurements import GATE, GOOD, QUICK, TEACHER, measured, noisy

REMEDIES = [
    ("of those that are nearest, what is missed and by how much",
     [measured("good", 0.8877, 5, 70), measured("quick", 0.85, 1, 20, agreement=0.5)], Gate(),
     ["to let good pass: gate.max_f1_drop: 0.0123 in experiments/cpu.yaml "
      "(validation F1 drop 0.0123 misses 0.01 by 0.0023)"]),
    ("a limit that the value meets, and not one that is rounded the other way",
     [measured("good", 0.9, 5, 70.0001, agreement=0.87659)], Gate(max_size_mb=60.0),
     ["to let good pass: gate.min_agreement: 0.876 in experiments/cpu.yaml (teacher's labels "
      "0.8766 misses 0.9 by 0.02341) and gate.max_size_mb: 70.1 in experiments/cpu.yaml "
      "(size in MB 70 misses 60 by 10)"]),
    ("timings that are not known, in one line for all",
     [noisy(TEACHER), noisy(GOOD), noisy(QUICK)], Gate(),
     ["to let teacher, good pass: more benchmark.latency_runs, or a quieter machine "
      "(the clock jumped)"]),
    ("the teacher's among them, which nothing else shows to be known",
     [TEACHER, noisy(GOOD)], Gate(),
     ["to let teacher pass: more benchmark.latency_runs, or a quieter machine "
      "(no other variant was timed reliably)",
      "to let good pass: more benchmark.latency_runs, or a quieter machine (the clock jumped)"]),
    ("a value of exactly the next limit", [measured("good", 0.85, 5, 70)], Gate(),
     ["to let good pass: gate.max_f1_drop: 0.05 in experiments/cpu.yaml "
      "(validation F1 drop 0.05 misses 0.01 by 0.04)"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "gate", "lines"), [r[1:] for r in REMEDIES], ids=[r[0] for r in REMEDIES]
)
def test_where_none_passes_it_is_said_what_would_let_one(
    given: Sequence[Measurement], gate: Gate, lines: list[str]
) -> None:
    decision = decide(given, gate)
    assert not decision.passing
    assert remedies(decision, "experiments/cpu.yaml") == lines


def test_the_limit_that_is_proposed_lets_it_pass() -> None:
    failing = measured("good", 0.88767, 5, 70, agreement=0.87659)
    (line,) = remedies(decide([failing], Gate()), "x.yaml")
    drop, agreement = (float(text) for text in re.findall(r"gate\.\w+: ([\d.]+) in", line))
    assert decide([failing], Gate(max_f1_drop=drop, min_agreement=agreement)).passing == ("good",)


def test_where_one_passes_there_is_nothing_to_change() -> None:
    assert not remedies(decide([GOOD, QUICK], GATE), "x.yaml")


def test_another_label_than_measured_is_mended_by_building_it_again() -> None:
    decision = decide([GOOD], GATE, same_answers={"good": SameAnswers(0.9)})
    assert remedies(decision, "x.yaml") == [
        "to let good pass: rebuild it with --again (same answers 0.9 misses 1 by 0.1)"
    ]

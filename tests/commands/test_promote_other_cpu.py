"""Decisions about what was measured on another CPU, or beside a champion of another."""

from dataclasses import replace

import pytest

from fincompress.benchmark.environment import cpu_facts
from fincompress.commands.promote import promote
from fincompress.evaluation.results import Answers
from fincompress.studies.study import Study
from tests.support.registry import benchmark, decisions, roles, text_of, turned


def test_another_cpu_is_named_and_may_round_otherwise(
    study: Study, answers: Answers, loaded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of nine answers one is another: too many for rounding, unless the share is set lower."""
    wrong = replace(answers, logits=answers.logits | {"good": {"val": turned(answers)}})
    monkeypatch.setattr("fincompress.commands.promote.SAME_ELSEWHERE", 0.85)
    here = replace(benchmark(), environment={"threads": "1"} | cpu_facts())
    promote(study, here, wrong)
    assert roles()["champion"] == 3, "on this CPU the answers have to be those measured"
    promote(study, benchmark(cpu="a 6502", instruction_sets="none"), wrong, any_cpu=True)
    assert roles()["champion"] == 2
    own = ", ".join(cpu_facts().values())
    said = text_of(decisions()[0])
    assert f"measured on another CPU (a 6502, none) than this one ({own}): 85% of its" in said


def test_a_benchmark_on_other_instruction_sets_moves_aliases_only_when_asked(
    study: Study, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    promote(study, benchmark(instruction_sets="avx2"), answers)
    before = roles()
    capsys.readouterr()
    promote(study, benchmark(near=1.0, instruction_sets="avx2 avx512_vnni"), answers)
    why = (
        "version 2 is champion by a benchmark on other instruction sets (avx2) than this one's "
        "(avx2 avx512_vnni): this decision is on record and moves no alias; to move them all the "
        "same, run: fincompress promote --study tiny --any-cpu\n"
    )
    assert capsys.readouterr().out.endswith(f"{why}no alias was moved\n")
    assert roles() == before and why in text_of(decisions()[0])
    # It did not become the champion's, so that the next is compared with what decided it.
    promote(study, benchmark(near=1.0, instruction_sets="avx2"), answers)
    assert roles()["champion"] == 3
    promote(study, benchmark(good=0.5, instruction_sets="none"), answers, any_cpu=True)
    assert roles()["champion"] == 2
    promote(study, benchmark(good=0.5, near=0.1, instruction_sets="none"), answers)
    assert roles()["champion"] == 3, "whose own benchmark was on these"

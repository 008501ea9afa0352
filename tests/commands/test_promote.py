"""Decisions on a real registry: who gets which alias, and what moves none."""

import errno
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from fincompress.cli import main
from fincompress.commands.promote import promote, roles_now
from fincompress.config import UserError, dump
from fincompress.evaluation.results import Answers
from fincompress.promotion import ROLES
from fincompress.studies.study import Study
from fincompress.tracking import registry, runs, served_model
from fincompress.tracking.served_model import Served
from tests.support.projects import refusal
from tests.support.registry import benchmark, decisions, moved, roles, text_of, turned


def test_a_first_decision_gives_every_role_and_is_a_run(study: Study, answers: Answers) -> None:
    promote(study, benchmark(), answers)
    assert [roles().get(role) for role in ROLES] == [2, 3, 2, 2, 1]
    (run,) = decisions()
    assert moved(run) == (None, "2")
    assert run.data.metrics["pyfunc_overhead_ms"] == 0.07
    assert "good is champion: it is the fastest that passes\n" in text_of(run)
    assert "near     same answers        1 " in text_of(run)
    assert "champion goes to version 2 (good)\n" in text_of(run)


def test_the_incumbent_is_replaced_beyond_noise_only(study: Study, answers: Answers) -> None:
    promote(study, benchmark(), answers)
    promote(study, benchmark(near=4.9), answers)
    assert roles()["champion"] == 2 and roles()["challenger"] == roles()["fastest"] == 3
    promote(study, benchmark(near=4.0), answers)
    assert roles()["champion"] == 3 and roles()["challenger"] == 2
    assert [moved(run) for run in decisions()] == [("2", "3"), ("2", "2"), (None, "2")]
    assert "champion goes from version 2 (good) to version 3 (near)\n" in text_of(decisions()[0])


def test_a_newer_version_of_the_champions_variant_must_win_like_any_other(
    study: Study, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    promote(study, benchmark(), answers)
    promote(study, benchmark(good=5.1, number=4), answers)
    assert roles()["champion"] == 2 and roles()["challenger"] == 4
    assert "good@v2 stays champion: it is the fastest that passes\n" in capsys.readouterr().out
    promote(study, benchmark(good=4.0, number=4), answers)
    assert roles()["champion"] == 4 and roles()["challenger"] == 2
    printed = capsys.readouterr().out
    assert "good replaces good@v2 as champion: it is 1.25 [1.25, 1.25] times as fast" in printed
    assert "champion goes from version 2 (good) to version 4 (good)\n" in printed
    assert roles_now(study, benchmark(number=4))["challenger"] == "good@v2"


def test_a_version_that_was_deleted_has_no_role(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "originals", lambda _: {1: 1, 3: 3, 4: 4})
    monkeypatch.setattr(registry, "aliases", lambda _: {"champion": 4, "good": 4})
    assert roles_now(study, benchmark(number=4)) == {"champion": "good"}


def test_unreliable_timings_move_no_role_that_is_about_speed(
    study: Study, answers: Answers
) -> None:
    promote(study, benchmark(), answers)
    before = roles()
    promote(study, benchmark(near=1.0, why="the clock jumped"), answers)
    assert roles() == before
    assert moved(decisions()[0]) == ("2", "2")
    assert "good stays champion: no candidate was timed reliably" in text_of(decisions()[0])


def test_a_challenger_that_no_variant_can_be_is_dropped(study: Study, answers: Answers) -> None:
    promote(study, benchmark(), answers)
    strict = replace(study, gate=replace(study.gate, max_size_mb=75.0))
    promote(strict, benchmark(), answers)
    assert roles()["champion"] == 2 and "challenger" not in roles()


def test_a_model_that_answers_otherwise_than_measured_is_not_promoted(
    study: Study, answers: Answers
) -> None:
    other = {"good": {"val": turned(answers)}}
    promote(study, benchmark(), replace(answers, logits=answers.logits | other))
    assert roles()["champion"] == 3 and roles()["challenger"] == 1
    assert "good     same answers        0.8889  at least 1" in text_of(decisions()[0])


def test_only_those_are_loaded_that_would_be_champion_or_challenger(
    study: Study, answers: Answers, loaded: list[int]
) -> None:
    promote(study, benchmark(), answers)
    assert loaded == [2, 3]
    loaded.clear()
    promote(study, benchmark(near=1.0, good=0.9, number=4), answers)
    assert loaded == [4, 3, 2], "and the incumbent, which has to be as it was to be compared with"


def test_a_model_that_does_not_load_costs_itself_alone_unless_it_is_the_incumbent(
    study: Study, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = served_model.predict_served

    def ask(study: Study, number: int, batches: Sequence[Sequence[str]], threads: int) -> Served:
        if number == 2:
            raise UserError("version 2 does not load")
        return works(study, number, batches, threads)

    monkeypatch.setattr(served_model, "predict_served", ask)
    promote(study, benchmark(), answers)
    assert roles()["champion"] == 3 and roles()["challenger"] == 1
    assert "  fails   version 2 does not load\n" in text_of(decisions()[0])
    registry.set_alias(study, "champion", 2)
    assert refusal(lambda: promote(study, benchmark(), answers)) == "version 2 does not load"
    assert len(decisions()) == 1 and roles()["champion"] == 2


def test_a_decision_that_cannot_be_recorded_moves_nothing(
    study: Study, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(runs, "log_text", full)
    with pytest.raises(OSError, match="No space left"):
        promote(study, benchmark(), answers)
    assert [run.info.status for run in decisions()] == ["FAILED"] and "champion" not in roles()


def test_promote_decides_from_what_the_last_benchmark_left(
    study: Study, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    tags = {"stage": "benchmark", "study": "tiny", "measured": "all"}
    with runs.step("benchmark", tags):
        runs.log_json(dump(benchmark()), "benchmark_results.json")
        runs.log_json(dump(answers), "answers.json")
    assert main(["promote", "--study", "tiny"]) == 0
    with runs.step("benchmark", tags) as without:
        runs.log_json(dump(benchmark(near=1.0)), "benchmark_results.json")
    assert main(["promote", "--study", "tiny"]) == 2
    assert roles()["champion"] == 2
    error = capsys.readouterr().err
    assert f"run {without}: artifact answers.json cannot be read" in error
    assert error.endswith("; run: fincompress benchmark --study tiny\n")


def test_a_benchmark_from_before_there_were_rounds_is_refused(
    study: Study, answers: Answers
) -> None:
    old = benchmark()
    bare = tuple(replace(m, round_medians_ms=()) for m in old.measurements)
    message = refusal(lambda: promote(study, replace(old, measurements=bare), answers))
    assert message == (
        "tiny: its last benchmark has no rounds to compare; run: fincompress benchmark --study tiny"
    )
    assert not decisions()


def test_where_none_passes_it_is_said_what_to_change(
    study: Study, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    promote(study, benchmark(why="3 rounds are fewer than 20"), answers)
    said = (
        "to let teacher, good, near pass: more benchmark.latency_runs, or a quieter machine "
        "(3 rounds are fewer than 20)\n"
    )
    assert said in capsys.readouterr().out and said in text_of(decisions()[0])
    strict = replace(study, gate=replace(study.gate, max_size_mb=60.0))
    promote(strict, benchmark(), answers)
    assert (
        "to let good pass: gate.max_size_mb: 70 in experiments/tiny.yaml "
        "(size in MB 70 misses 60 by 10)" in text_of(decisions()[0])
    )


def test_a_champion_that_was_not_measured_stays_unless_it_is_gone_or_has_other_labels(
    study: Study, answers: Answers, loaded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.set_alias(study, "champion", 4)
    failures: list[Exception] = [ConnectionError("the store does not answer"), UserError("gone")]

    def version(labels: Sequence[str]) -> SimpleNamespace:
        return SimpleNamespace(artifact=SimpleNamespace(manifest=SimpleNamespace(labels=labels)))

    whole = [version(("a", "b")), version(study.data.labels)]

    def fetch(model_name: str, number: int, scratch: Path) -> tuple[SimpleNamespace, str]:
        assert number == 4
        if failures:
            raise failures.pop(0)
        return whole.pop(0), "torch_eager"

    monkeypatch.setattr(registry, "fetch", fetch)
    with pytest.raises(ConnectionError):
        promote(study, benchmark(), answers)
    assert roles()["champion"] == 4 and not decisions()
    promote(study, benchmark(), answers)
    assert roles()["champion"] == 2
    assert "version 4, champion until now, counts no more: gone\n" in text_of(decisions()[0])
    registry.set_alias(study, "champion", 4)
    promote(study, benchmark(), answers)
    assert roles()["champion"] == 2
    assert "version 4, champion until now, counts no more: other labels" in text_of(decisions()[0])
    registry.set_alias(study, "champion", 4)
    loaded.clear()
    promote(study, benchmark(), answers)
    assert roles()["champion"] == 4 and loaded == [2]
    assert "version 4 stays champion: it was not measured" in text_of(decisions()[0])


def test_it_is_asked_with_the_threads_that_it_was_measured_with(
    study: Study, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another number may be answered by another engine, and rounds otherwise."""
    asked, works = list[int](), served_model.predict_served

    def ask(study: Study, number: int, batches: Sequence[Sequence[str]], threads: int) -> Served:
        asked.append(threads)
        return works(study, number, batches, threads)

    monkeypatch.setattr(served_model, "predict_served", ask)
    promote(study, benchmark(threads="7"), answers)
    assert set(asked) == {7}


def test_another_engine_than_was_measured_may_round_otherwise(
    study: Study, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fincompress.commands.promote.SAME_ELSEWHERE", 0.85)
    wrong = replace(answers, logits=answers.logits | {"good": {"val": turned(answers)}})
    teacher, good, *others = benchmark().measurements
    bf16 = replace(good, precision="bf16")
    promote(study, replace(benchmark(), measurements=(teacher, bf16, *others)), wrong)
    assert roles()["champion"] == 2
    said = "passes  answered by torch_eager, measured on torch_eager bf16\n"
    assert said in text_of(decisions()[0])


def test_where_nothing_moves_it_is_said_what_would(
    study: Study, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    promote(study, benchmark(), answers, dry_run=True)
    assert "champion would go to version 2 (good)\n" in capsys.readouterr().out

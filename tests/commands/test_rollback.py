"""Rollbacks on a real registry: champion by champion, and not undone by what comes next."""

from dataclasses import replace

import mlflow
import pytest

from fincompress.cli import main
from fincompress.commands.promote import promote, rollback
from fincompress.config import UserError
from fincompress.evaluation.results import Answers
from fincompress.studies.study import Study
from fincompress.tracking import registry, served_model
from fincompress.tracking.served_model import Served
from tests.support.projects import refusal
from tests.support.registry import MODEL, benchmark, decisions, moved, register, roles, text_of


def test_rollback_goes_back_champion_by_champion(
    study: Study, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    promote(study, benchmark(), answers)
    promote(study, benchmark(near=4.0), answers)
    promote(study, benchmark(near=4.0), answers)  # moves nothing, and neither does a dry run
    promote(study, benchmark(good=1.0), answers, dry_run=True)
    assert roles()["champion"] == 3
    promote(study, benchmark(near=4.0, good=2.0, number=4), answers)
    capsys.readouterr()
    assert main(["promote", "--study", "tiny", "--rollback", "--dry-run"]) == 0
    assert capsys.readouterr().out == (
        "rollback of tiny\nchampion would go from version 4 (good) to version 3 (near)\n"
        "dry run: no alias was moved\n"
    )
    assert roles()["champion"] == 4
    assert main(["promote", "--study", "tiny", "--rollback"]) == 0
    assert roles()["champion"] == 3
    run = decisions()[0]
    assert moved(run) == ("4", "3") and run.data.tags["fincompress.rollback"] == "true"
    assert "champion goes from version 4 (good) to version 3 (near)\n" in text_of(run)
    rollback(study)
    assert roles()["champion"] == 2
    assert main(["promote", "--study", "tiny", "--rollback"]) == 2
    assert capsys.readouterr().err == (
        "fincompress: fincompress-tiny: version 2 is the first champion on record; "
        "there is none to go back to\n"
    )


def test_rollback_without_a_champion_says_what_to_run(study: Study) -> None:
    assert refusal(lambda: rollback(study)) == (
        "fincompress-tiny: no version is champion yet; run: fincompress promote --study tiny"
    )


def test_rollback_names_an_earlier_champion_that_is_gone(study: Study, answers: Answers) -> None:
    number = register("good")
    promote(study, benchmark(number=number), answers)
    promote(study, benchmark(near=2.0, number=number), answers)
    mlflow.MlflowClient().delete_model_version(MODEL, str(number))
    assert refusal(lambda: rollback(study)) == (
        f"fincompress-tiny: version {number}, the champion before version 3, is gone; "
        "to decide again, run: fincompress promote --study tiny"
    )
    assert roles()["champion"] == 3


def test_a_rollback_is_not_undone_by_the_next_promotion(
    study: Study, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    promote(study, benchmark(), answers)
    promote(study, benchmark(near=1.0), answers)
    rollback(study)
    assert roles()["champion"] == 2
    promote(study, benchmark(near=1.0), answers)
    assert roles()["champion"] == 2 and roles()["challenger"] == roles()["fastest"] == 3
    (line,) = (row for row in text_of(decisions()[0]).splitlines() if "rolled back" in row)
    assert line.startswith("near ") and line.endswith(
        "fails   a rollback took the alias from it; to let it compete again, set champion to "
        "version 3 by hand, or rebuild it with --again"
    )
    registry.set_alias(study, "champion", 3)
    promote(study, benchmark(near=1.0), answers)
    registry.set_alias(study, "champion", 2)
    promote(study, benchmark(near=1.0), answers)
    assert roles()["champion"] == 3, "a person has set it meanwhile: it may stand again"


def test_what_was_rolled_back_stays_so_under_a_new_number(study: Study, answers: Answers) -> None:
    """`renew` registers a model again where the variant's newest version is another."""
    promote(study, benchmark(), answers)
    promote(study, benchmark(good=1.0, number=4), answers)
    rollback(study)
    again = register("good", model="good-4")
    promote(study, benchmark(good=1.0, number=again), answers)
    assert roles()["champion"] == 2 and roles()["fastest"] == again
    (line,) = (row for row in text_of(decisions()[0]).splitlines() if "rolled back" in row)
    assert line.startswith("good ")


def test_a_champion_under_a_new_number_is_one_champion(study: Study, answers: Answers) -> None:
    promote(study, benchmark(near=1.0), answers)
    promote(study, benchmark(near=9.0), answers)
    assert roles()["champion"] == 2
    again = register("good", model="good-2")
    teacher, good, *others = benchmark().measurements
    now = (teacher, replace(good, version=again), *others)
    renumbered = replace(benchmark(), measurements=now)
    promote(study, renumbered, answers)
    assert roles()["champion"] == again
    assert "good stays champion: it is the fastest" in text_of(decisions()[0])
    rollback(study)
    assert roles()["champion"] == 3


def test_rollback_leaves_a_version_that_does_not_answer(
    study: Study, answers: Answers, monkeypatch: pytest.MonkeyPatch, loaded: list[int]
) -> None:
    promote(study, benchmark(), answers)
    promote(study, benchmark(near=1.0), answers)
    loaded.clear()

    def lost(study: Study, number: int, *_: object, **more: object) -> Served:
        raise UserError(f"version {number} does not load")

    with monkeypatch.context() as patch:
        patch.setattr(served_model, "predict_served", lost)
        assert refusal(lambda: rollback(study)) == "version 2 does not load"
    assert roles()["champion"] == 3
    rollback(study)
    assert roles()["champion"] == 2 and loaded == [2]

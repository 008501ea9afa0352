"""Decisions on a real registry, where one tiny model stands under several names."""

import errno
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run

from fincompress.artifact import Artifact, read_artifact
from fincompress.cli import main
from fincompress.data import LABELS, Sentences
from fincompress.evaluation.environment import cpu_facts
from fincompress.evaluation.measurement import Answers, Benchmark
from fincompress.evaluation.quality import gather
from fincompress.experiments import Study, load_study, load_variants
from fincompress.promotion import ROLES
from fincompress.roles import promote_best, roles_now
from fincompress.runtimes import load_runtime
from fincompress.spec import UserError, dump
from fincompress.tracking import registry, runs
from fincompress.tracking.registry import Served
from fincompress.tracking.store import open_store
from tests.conftest import open_project, refusal, tiny_sentences
from tests.test_promotion import measured, uneven

MODEL = "fincompress-tiny"
TEXTS = tuple(text for text, _ in tiny_sentences()[:9])


def register(variant: str) -> int:
    """Register the files of version 1 once more, as another variant."""
    client = mlflow.MlflowClient()
    first = client.get_model_version(MODEL, "1")
    tags = first.tags | {"variant": variant}
    return int(client.create_model_version(MODEL, first.source, first.run_id, tags=tags).version)


@contextmanager
def registered(folder: Path, checkpoint: Path, wide: Path, base: Artifact) -> Iterator[Study]:
    """A study in `folder` whose version 1 is the teacher."""
    with open_project(folder, checkpoint, wide) as project:
        project.change(gate={"max_f1_drop": 0.9, "min_agreement": 0, "min_speedup": 0.001})
        open_store()
        study, copy = load_study("tiny"), folder / "copy" / registry.ARTIFACT
        shutil.copytree(base.path, copy)
        with runs.step("teacher", {"stage": "build"}):
            card = project.folder / "model_card.md"
            card.write_text("a card")
            registry.publish(study, load_variants()["teacher"], read_artifact(copy), card)
        yield study


@pytest.fixture(scope="module")
def published(
    tmp_path_factory: pytest.TempPathFactory,
    checkpoint: Path,
    student_checkpoint: Path,
    base: Artifact,
) -> Iterator[Study]:
    """Version 1 is the teacher, 2 and 4 are `good`, 3 is `near`."""
    folder = tmp_path_factory.mktemp("roles")
    with registered(folder, checkpoint, student_checkpoint, base) as study:
        assert [register(variant) for variant in ("good", "near", "good")] == [2, 3, 4]
        yield study


@pytest.fixture
def loaded(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The versions that were asked; they give the measured labels (test_served.py asks for real)"""
    numbers: list[int] = []
    labels = tuple(LABELS[place] for place in answers.predicted("good", "val"))

    def ask(study: Study, number: int, batches: Sequence[Sequence[str]]) -> Served:
        numbers.append(number)
        return Served(labels[: sum(map(len, batches))], 0.07)

    monkeypatch.setattr(registry, "ask", ask)
    return numbers


@pytest.fixture
def study(published: Study, loaded: list[int]) -> Study:
    """Without roles and without a history."""
    client = mlflow.MlflowClient()
    for run in decisions():
        client.delete_run(run.info.run_id)
    for role in set(roles()) & set(ROLES):
        client.delete_registered_model_alias(MODEL, role)
    return published


@pytest.fixture
def answers(base: Artifact) -> Answers:
    """What the model under all the names does answer."""
    rows = load_runtime("torch_eager").load(base, 1)(TEXTS)
    part = Sentences(TEXTS, tuple(rows.argmax(axis=1).tolist()), ("tiny",) * len(TEXTS))
    logits = {variant: {"val": rows} for variant in ("teacher", "good", "near", "good@v2")}
    return gather({"val": part}, logits)


def benchmark(
    good: float = 5.0, near: float = 9.0, number: int = 2, why: str = "", **facts: str
) -> Benchmark:
    """The medians of `good`, whose version is `number`, and `near`; the teacher's is 10 ms.

    Where `number` is another than 2, that one was measured too, at 5 ms: it was champion.
    """
    measurements = (
        replace(measured("teacher", 0.9, 10.0, 90.0, unreliable=why), version=1),
        replace(measured("good", 0.9, good, 70.0, unreliable=why), version=number),
        replace(uneven(measured("near", 0.9, near, 80.0, unreliable=why)), version=3),
        *([replace(measured("good@v2", 0.9, 5.0, 70.0), version=2)] if number != 2 else []),
        replace(measured("tfidf_floor", 0.9, 0.1, 0.1), version=None),
    )
    return Benchmark(
        study="tiny", synthetic=False, notes=(), environment=facts, measurements=measurements
    )


def roles() -> dict[str, int]:
    return registry.aliases(load_study("tiny"))


def decisions() -> list[Run]:
    """The runs of decisions and rollbacks, the newest first."""
    terms = "tags.`fincompress.stage` = 'promote'"
    return list(mlflow.search_runs(None, terms, search_all_experiments=True, output_format="list"))


def moved(run: Run) -> tuple[str | None, str | None]:
    tags = run.data.tags
    return tags.get("fincompress.champion_before"), tags.get("fincompress.champion_after")


def text_of(run: Run) -> str:
    return runs.read_run_file(run.info.run_id, "decision.txt")


def test_a_first_decision_gives_every_role_and_is_a_run(study: Study, answers: Answers) -> None:
    promote_best(study, benchmark(), answers)
    assert [roles().get(role) for role in ROLES] == [2, 3, 2, 2, 1]
    (run,) = decisions()
    assert moved(run) == (None, "2")
    assert run.data.metrics["pyfunc_overhead_ms"] == 0.07
    assert "good is champion: it is the fastest that passes\n" in text_of(run)
    assert "near     same answers        1 " in text_of(run)
    assert "champion goes to version 2 (good)\n" in text_of(run)


def test_the_incumbent_is_replaced_beyond_noise_only(study: Study, answers: Answers) -> None:
    promote_best(study, benchmark(), answers)
    promote_best(study, benchmark(near=4.9), answers)
    assert roles()["champion"] == 2 and roles()["challenger"] == roles()["fastest"] == 3
    promote_best(study, benchmark(near=4.0), answers)
    assert roles()["champion"] == 3 and roles()["challenger"] == 2
    assert [moved(run) for run in decisions()] == [("2", "3"), ("2", "2"), (None, "2")]
    assert "champion goes from version 2 (good) to version 3 (near)\n" in text_of(decisions()[0])


def test_a_newer_version_of_the_champions_variant_must_win_like_any_other(
    study: Study, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    promote_best(study, benchmark(), answers)
    promote_best(study, benchmark(good=5.1, number=4), answers)
    assert roles()["champion"] == 2 and roles()["challenger"] == 4
    assert "good@v2 stays champion: it is the fastest that passes\n" in capsys.readouterr().out
    promote_best(study, benchmark(good=4.0, number=4), answers)
    assert roles()["champion"] == 4 and roles()["challenger"] == 2
    printed = capsys.readouterr().out
    assert "good replaces good@v2 as champion: it is 1.25 [1.25, 1.25] times as fast" in printed
    assert "champion goes from version 2 (good) to version 4 (good)\n" in printed
    assert roles_now(study, benchmark(number=4))["challenger"] == "good@v2"


def test_unreliable_timings_move_no_role_that_is_about_speed(
    study: Study, answers: Answers
) -> None:
    promote_best(study, benchmark(), answers)
    before = roles()
    promote_best(study, benchmark(near=1.0, why="the clock jumped"), answers)
    assert roles() == before
    assert moved(decisions()[0]) == ("2", "2")
    assert "good stays champion: no candidate was timed reliably" in text_of(decisions()[0])


def test_a_challenger_that_no_variant_can_be_is_dropped(study: Study, answers: Answers) -> None:
    promote_best(study, benchmark(), answers)
    strict = replace(study, gate=replace(study.gate, max_size_mb=75.0))
    promote_best(strict, benchmark(), answers)
    assert roles()["champion"] == 2 and "challenger" not in roles()


def test_a_model_that_answers_otherwise_than_measured_is_not_promoted(
    study: Study, answers: Answers
) -> None:
    other = {"good": {"val": turned(answers)}}
    promote_best(study, benchmark(), replace(answers, logits=answers.logits | other))
    assert roles()["champion"] == 3 and roles()["challenger"] == 1
    assert "good     same answers        0.8889  at least 1" in text_of(decisions()[0])


def test_only_those_are_loaded_that_would_be_champion_or_challenger(
    study: Study, answers: Answers, loaded: list[int]
) -> None:
    promote_best(study, benchmark(), answers)
    assert loaded == [2, 3]
    loaded.clear()
    promote_best(study, benchmark(near=1.0, good=0.9, number=4), answers)
    assert loaded == [4, 3, 2], "and the incumbent, which has to be as it was to be compared with"


def test_a_model_that_does_not_load_moves_nothing(
    study: Study, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(study: Study, number: int, batches: object) -> Served:
        raise UserError(f"version {number} does not load")

    monkeypatch.setattr(registry, "ask", lost)
    assert refusal(lambda: promote_best(study, benchmark(), answers)) == "version 2 does not load"
    assert not decisions() and "champion" not in roles()


def test_a_decision_that_cannot_be_recorded_moves_nothing(
    study: Study, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(runs, "log_text", full)
    with pytest.raises(OSError, match="No space left"):
        promote_best(study, benchmark(), answers)
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
    message = refusal(lambda: promote_best(study, replace(old, measurements=bare), answers))
    assert message == (
        "tiny: its last benchmark has no rounds to compare; run: fincompress benchmark --study tiny"
    )
    assert not decisions()


def test_where_none_passes_it_is_said_what_to_change(
    study: Study, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    promote_best(study, benchmark(why="3 rounds are fewer than 20"), answers)
    said = (
        "to let teacher, good, near pass: more benchmark.latency_runs, or a quieter machine "
        "(3 rounds are fewer than 20)\n"
    )
    assert said in capsys.readouterr().out and said in text_of(decisions()[0])
    strict = replace(study, gate=replace(study.gate, max_size_mb=60.0))
    promote_best(strict, benchmark(), answers)
    assert (
        "to let good pass: gate.max_size_mb: 70 in experiments/tiny.yaml "
        "(size in MB 70 misses 60 by 10)" in text_of(decisions()[0])
    )


def test_a_champion_that_was_not_measured_stays_unless_it_does_not_load(
    study: Study, answers: Answers, loaded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.set_alias(study, "champion", 4)
    promote_best(study, benchmark(), answers)
    assert roles()["champion"] == 4 and loaded == [4, 2]
    assert "version 4 stays champion: it was not measured" in text_of(decisions()[0])
    works = registry.ask

    def lost(study: Study, number: int, batches: Sequence[Sequence[str]]) -> Served:
        if number == 4:
            raise UserError("it does not load")
        return works(study, number, batches)

    monkeypatch.setattr(registry, "ask", lost)
    promote_best(study, benchmark(), answers)
    assert roles()["champion"] == 2
    said = "version 4, champion until now, counts no more: it does not load\n"
    assert said in text_of(decisions()[0])


def test_another_cpu_is_named_and_may_round_otherwise(
    study: Study, answers: Answers, loaded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of nine answers one is another: too many for rounding, unless the share is set lower."""
    wrong = replace(answers, logits=answers.logits | {"good": {"val": turned(answers)}})
    monkeypatch.setattr("fincompress.roles.SAME_ELSEWHERE", 0.85)
    here = replace(benchmark(), environment=cpu_facts())
    promote_best(study, here, wrong)
    assert roles()["champion"] == 3, "on this CPU the answers have to be those measured"
    promote_best(study, benchmark(cpu="a 6502", instruction_sets="none"), wrong, any_cpu=True)
    assert roles()["champion"] == 2
    own = ", ".join(cpu_facts().values())
    said = text_of(decisions()[0])
    assert f"measured on another CPU (a 6502, none) than this one ({own}): 85% of its" in said


def test_a_benchmark_on_other_instruction_sets_moves_aliases_only_when_asked(
    study: Study, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    promote_best(study, benchmark(instruction_sets="avx2"), answers)
    before = roles()
    capsys.readouterr()
    promote_best(study, benchmark(near=1.0, instruction_sets="avx2 avx512_vnni"), answers)
    why = (
        "version 2 is champion by a benchmark on other instruction sets (avx2) than this one's "
        "(avx2 avx512_vnni): this decision is on record and moves no alias; to move them all the "
        "same, run: fincompress promote --study tiny --any-cpu\n"
    )
    assert capsys.readouterr().out.endswith(f"{why}no alias was moved\n")
    assert roles() == before and why in text_of(decisions()[0])
    # It did not become the champion's, so that the next is compared with what decided it.
    promote_best(study, benchmark(near=1.0, instruction_sets="avx2"), answers)
    assert roles()["champion"] == 3
    promote_best(study, benchmark(good=0.5, instruction_sets="none"), answers, any_cpu=True)
    assert roles()["champion"] == 2
    promote_best(study, benchmark(good=0.5, near=0.1, instruction_sets="none"), answers)
    assert roles()["champion"] == 3, "whose own benchmark was on these"


def turned(answers: Answers) -> tuple[tuple[float, ...], ...]:
    """The measured answers of `good`, the first of them another."""
    first, *rest = answers.logits["good"]["val"]
    return ((*first[1:], first[0]), *rest)

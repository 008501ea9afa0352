"""A variant that fails costs that variant: what is left, what is said, and what ends everything."""

import errno
from collections.abc import Callable
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from fincompress.artifact import Artifact
from fincompress.cli import main
from fincompress.commands import benchmark
from fincompress.config import UserError
from fincompress.evaluation.results import SPEEDUP, SPEEDUP_VS_SOURCE
from fincompress.studies.study import Study
from fincompress.studies.variants import load_variants
from fincompress.techniques import Inputs, distill_hidden, distill_logits, finetune, quantize_aware
from fincompress.tracking.results import last_benchmark, last_tables
from tests.support.projects import Project
from tests.support.runs import files, no_benchmark, runs

MODEL = "fincompress-tiny"
DISTILLED = ("teacher", "student_intermediate_kd", "student_ptq", "student_qat")


def failing(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def built() -> dict[str, str]:
    """The status of each build by variant."""
    return {run.data.tags["fincompress.variant"]: run.info.status for run in runs("build")}


def registered() -> set[str]:
    found = mlflow.MlflowClient().search_model_versions(f"name = '{MODEL}'")
    return {version.tags["variant"] for version in found}


@pytest.mark.slow
def test_the_others_are_measured_and_promoted(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.keep(*DISTILLED)
    monkeypatch.setattr(quantize_aware, "compress", failing(RuntimeError("scales are\nlost")))
    assert main(["main", "--study", "tiny"]) == 1
    said = capsys.readouterr()
    assert said.err == (
        "fincompress: this failed, and all else was done:\n"
        "  student_qat: failed: RuntimeError: scales are lost\n"
    )
    others = {"teacher", "student_intermediate_kd", "student_ptq"}
    assert registered() == others
    assert built() == dict.fromkeys(others, "FINISHED") | {"student_qat": "FAILED"}
    aliases = mlflow.MlflowClient().get_registered_model(MODEL).aliases
    assert "champion" in aliases
    for name in others:
        alias = name.replace("_", "-")
        assert f"{MODEL}@{alias}: version {aliases[alias]}, validation F1" in said.out

    (top,) = (run for run in runs() if "mlflow.parentRunId" not in run.data.tags)
    assert (top.info.run_name, top.info.status) == ("main tiny", "FAILED")
    assert "student_qat: failed: RuntimeError" in top.data.tags["fincompress.error"]
    failed = mlflow.artifacts.load_dict(f"runs:/{top.info.run_id}/failed.json")
    assert failed == {"student_qat": "failed: RuntimeError: scales are lost"}
    assert "traceback.txt" not in files(top), "it is with the build that failed"
    (dead,) = (run for run in runs("build") if run.info.status == "FAILED")
    assert "traceback.txt" in files(dead)
    measured = {r.info.run_name for r in runs("benchmark") if r.info.status == "FINISHED"}
    assert measured > {"benchmark", *others} and "student_qat" not in measured

    assert main(["promote", "--study", "tiny", "--dry-run"]) == 0, "the benchmark is there"
    monkeypatch.undo()
    assert main(["quantize", "--study", "tiny"]) == 0
    assert registered() == {*others, "student_qat"}


@pytest.mark.slow
def test_tables_over_seeds_and_of_ablations_have_the_rest(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.keep("teacher", "student_vanilla_kd", "student_intermediate_kd")
    for file in (project.folder / "experiments" / "ablations").glob("pruned*.yaml"):
        file.unlink()  # which stand beside pruned variants
    compress = distill_hidden.compress

    def fail_at_43(inputs: Inputs, *rest: Any) -> Artifact:
        if inputs.seed == 43:
            raise RuntimeError("scales are lost")
        return compress(inputs, *rest)

    monkeypatch.setattr(distill_hidden, "compress", fail_at_43)
    ablations = "student_random,student_no_hidden_loss"
    command = ["main", "--study", "tiny", "--seeds", "2"]
    with monkeypatch.context() as patch:
        patch.setattr("fincompress.commands.main.run_benchmark", no_benchmark)
        assert main(command) == 2
    capsys.readouterr()
    assert main([*command, "--ablations", ablations]) == 1
    assert capsys.readouterr().err == (
        "fincompress: this failed, and all else was done:\n"
        "  student_intermediate_kd, seed 43: failed: RuntimeError: scales are lost\n"
        "  student_no_hidden_loss, seed 43: failed: RuntimeError: scales are lost\n"
    )
    tables = last_tables(Study.load("tiny"))
    assert {
        file.partition("-")[0]: {row.variant: (row.beside, len(row.macro_f1)) for row in table.rows}
        for file, table in tables.items()
    } == {
        "seeds": {"teacher": ("", 2), "student_vanilla_kd": ("teacher", 2), "tfidf_floor": ("", 2)},
        "ablations": {
            "teacher": ("", 2), "student_vanilla_kd": ("", 2),
            "student_random": ("student_vanilla_kd", 2),
        },
    }  # fmt: skip
    assert registered() == {"teacher", "student_vanilla_kd", "student_intermediate_kd"}


@pytest.mark.slow
def test_a_source_that_cannot_be_exported_costs_its_row(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.keep("teacher", "student_intermediate_kd", "student_ptq")
    ptq = project.folder / "experiments" / "variants" / "student_ptq.yaml"
    ptq.write_text(ptq.read_text().replace("runtime: auto", "runtime: openvino_runtime"))
    monkeypatch.setattr(benchmark, "export", failing(RuntimeError("no such operator")))
    assert main(["benchmark", "--study", "tiny"]) == 1
    lost = "student_intermediate_kd@openvino_runtime"
    assert capsys.readouterr().err == (
        "fincompress: this failed, and all else was done:\n"
        f"  {lost}: failed: RuntimeError: no such operator\n"
    )
    _, found = last_benchmark(Study.load("tiny"))
    measured = {m.variant: m.metrics for m in found.measurements}
    assert measured.keys() > {"teacher", "student_intermediate_kd", "student_ptq"}
    assert lost not in measured
    assert SPEEDUP in measured["student_ptq"]
    assert SPEEDUP_VS_SOURCE not in measured["student_ptq"]
    assert "champion" in mlflow.MlflowClient().get_registered_model(MODEL).aliases


def test_what_is_made_from_it_is_skipped_and_named(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.keep(*DISTILLED)
    monkeypatch.setattr(distill_hidden, "compress", failing(UserError("no layer fits")))
    monkeypatch.setattr(quantize_aware, "compress", failing(AssertionError("is not tried")))
    assert main(["quantize", "--study", "tiny"]) == 1
    said = capsys.readouterr()
    made_from = "skipped: made from student_intermediate_kd, which failed"
    assert said.err == (
        "fincompress: this failed, and all else was done:\n"
        "  student_intermediate_kd: failed: no layer fits\n"
        f"  student_ptq: {made_from}\n"
        f"  student_qat: {made_from}\n"
    )
    assert "student_intermediate_kd: failed: no layer fits\n" in said.out, "as soon as it is known"
    assert built() == {"teacher": "FINISHED", "student_intermediate_kd": "FAILED"}
    assert registered() == {"teacher"}


def test_a_chain_names_what_failed(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.keep("teacher", "pruned_teacher_30pct", "pruned_teacher_50pct")
    variants = project.folder / "experiments" / "variants"
    last = (variants / "pruned_teacher_50pct.yaml").read_text()
    (variants / "later.yaml").write_text(
        last.replace("source: pruned_teacher_30pct", "source: pruned_teacher_50pct")
    )
    bad = variants / "pruned_teacher_30pct.yaml"
    bad.write_text("technique: prune_structured\nsource: teacher\n"
                   "config: {heads_ratio: 0.9, ffn_ratio: 0.3}\n")  # fmt: skip
    assert main(["prune", "--study", "tiny"]) == 1
    lines = capsys.readouterr().err.splitlines()[1:]
    assert lines[0].startswith("  pruned_teacher_30pct: failed: config.heads_ratio: 0.9 ")
    skipped = "skipped: made from pruned_teacher_30pct, which failed"
    assert lines[1:] == [f"  pruned_teacher_50pct: {skipped}", f"  later: {skipped}"]


@pytest.mark.parametrize("asked", ["student_qat", "student_intermediate_kd"])
def test_one_that_is_asked_for_by_name_fails_as_its_command(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: str,
) -> None:
    monkeypatch.setattr(distill_hidden, "compress", failing(UserError("no layer fits")))
    family = load_variants()[asked].family
    assert main([family, "--study", "tiny", "--variant", asked]) == 2
    assert capsys.readouterr().err == "fincompress: no layer fits\n"
    assert {run.info.run_name: run.info.status for run in runs()} == {
        "prepare": "FINISHED", "teacher": "FINISHED", "student_intermediate_kd": "FAILED",
        f"{family} tiny": "FAILED",
    }  # fmt: skip


def test_without_a_teacher_nothing_is_built(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(finetune, "compress", failing(UserError("it learns nothing")))
    for verb in ("main", "benchmark", "distill"):
        assert main([verb, "--study", "tiny"]) == 2
        assert capsys.readouterr().err == "fincompress: it learns nothing\n"
    assert built() == {"teacher": "FAILED"}


ENDS = [
    (MlflowException("the store is gone"), 1, "the store is gone"),
    (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device"),
    (OSError("cannot be written"), 1, "cannot be written"),
    (KeyboardInterrupt(), 130, "interrupted"),
]


@pytest.mark.parametrize(("error", "code", "message"), ENDS)
def test_what_would_repeat_ends_everything(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    message: str,
) -> None:
    # Whichever of the two students comes first, the other is not tried.
    for technique in (distill_logits, distill_hidden):
        monkeypatch.setattr(technique, "compress", failing(error))
    assert main(["distill", "--study", "tiny"]) == code
    assert message in capsys.readouterr().err
    assert len(built()) == 2 and registered() == {"teacher"}

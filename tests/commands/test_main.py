"""The whole study on a real MLflow store, with tiny models: runs, versions, aliases, files."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import mlflow
import pytest

from fincompress.benchmark.environment import instruction_sets
from fincompress.benchmark.peers import has_model2vec
from fincompress.benchmark.process import MODEL2VEC
from fincompress.cli import main
from fincompress.config import dump
from fincompress.demo.space import read_demo
from fincompress.evaluation.results import PUBLISHED_PEER
from fincompress.evaluation.seed_results import SeedTable
from fincompress.prediction.saved_model import load_saved_model
from fincompress.promotion import ROLES
from fincompress.studies.study import Study
from fincompress.studies.variants import load_variants
from fincompress.tracking import registry
from fincompress.tracking.loading import load
from tests.support.projects import Project, open_project, tiny_sentences, write_csv
from tests.support.runs import MODEL, files, runs

pytestmark = pytest.mark.slow  # a whole study, with a process for each thing it measures
VARIANTS = sorted(load_variants())
BENCHMARK_KEYS = {
    "test/macro_f1", "test/accuracy", "test/f1_negative", "test/f1_neutral", "test/f1_positive",
    "val/macro_f1", "val/f1_drop", "val/f1_drop_low", "val/agreement", "bench/latency_p50_ms",
    "bench/latency_p50_ms_low", "bench/latency_p95_ms", "bench/latency_p99_ms",
    "bench/throughput_per_s", "bench/throughput_batch_8_per_s", "bench/peak_memory_mb",
    "bench/cold_start_ms", "bench/speedup_vs_teacher", "bench/latency_vs_published",
    "bench/throughput_vs_published", "val/f1_drop_high", "test/f1_vs_teacher",
    "test/f1_vs_teacher_low", "test/mcnemar_vs_teacher", "test/ece", "test/ece_scaled",
    "test/agreement", "test/macro_f1_low",
}  # fmt: skip
PRODUCTS = {"bench/int8_products", "bench/products"}
FILE_KEYS = PRODUCTS | {
    "bench/size_mb", "bench/parameters", "padded/latency_p50_ms", "padded/throughput_per_s",
    "bench/throughput_threads_1_per_s",
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, student_checkpoint: Path
) -> Iterator[Project]:
    """A project in which `main` has run once, with a file of the user's, and said `said.txt`."""
    folder = tmp_path_factory.mktemp("finished")
    rows = [(f"{text} again", label) for text, label in tiny_sentences()[:12]]
    extra = write_csv(folder / "extra.csv", rows)
    with open_project(folder, checkpoint, student_checkpoint) as project:
        with (folder / "said.txt").open("w") as said, redirect_stdout(said):
            project.change(peers=True)
            assert main(["main", "--study", "tiny", "--extra-test", extra]) == 0
        yield project


def versions() -> list[Any]:
    return list(mlflow.MlflowClient().search_model_versions(f"name = '{MODEL}'"))


def test_every_variant_is_a_version_with_its_tags_and_alias(finished: Project) -> None:
    found = versions()
    assert sorted(v.tags["variant"] for v in found) == VARIANTS
    for v in found:
        assert v.tags["study"] == "tiny"
        assert v.tags["format"] == load_variants()[v.tags["variant"]].format
        assert len(v.tags["fingerprint"]) == 16
        assert f"# {MODEL}: {v.tags['variant']}\n" in v.description
        assert "* a note of the base\n" in v.description
        assert "macro-F1 on test: " in v.description, "completed by the benchmark"
        logged = mlflow.artifacts.download_artifacts(
            artifact_uri=f"{mlflow.get_logged_model(v.tags['model_id']).artifact_location}"
        )
        assert (Path(logged) / "model_card.md").read_text() == v.description
    aliases = mlflow.MlflowClient().get_registered_model(MODEL).aliases
    assert set(aliases) == set(ROLES) | {name.replace("_", "-") for name in VARIANTS}


def test_the_runs_form_one_tree(finished: Project) -> None:
    by_id = {run.info.run_id: run for run in runs()}
    (top,) = (run for run in by_id.values() if "mlflow.parentRunId" not in run.data.tags)
    assert top.info.run_name == "main tiny"
    assert all(run.info.status == "FINISHED" for run in by_id.values())
    below = {run.info.run_name for run in by_id.values()
             if run.data.tags.get("mlflow.parentRunId") == top.info.run_id}  # fmt: skip
    assert below == {"prepare", "benchmark", "promote", *VARIANTS}


def test_it_says_which_build_begins_and_where_the_variants_are_compared(finished: Project) -> None:
    said = (finished.folder / "said.txt").read_text()
    begun = [line.split(": build ")[0] for line in said.splitlines() if ": build " in line]
    assert begun == list(load_variants())
    assert f": build {len(VARIANTS)} of {len(VARIANTS)}" in said
    (line,) = (line for line in said.splitlines() if "compare-runs" in line)
    asked = parse_qs(line.partition("compare-runs?")[2])
    (compared,) = map(json.loads, asked["runs"])
    names = {run.info.run_id: run.info.run_name for run in runs("benchmark")}
    assert [names[run_id] for run_id in compared] == list(load_variants())
    (experiments,) = map(json.loads, asked["experiments"])
    assert experiments == [runs("benchmark")[0].info.experiment_id]


def test_a_build_logs_config_metrics_and_manifest(finished: Project) -> None:
    for run in runs("build"):
        params, metrics = run.data.params, run.data.metrics
        assert params["seed"] == "42" and params["budget.epochs"] == "2"
        assert {"config.json", "manifest.json", "step.json"} <= files(run)
        assert {"best/macro_f1", "parameters", "products/int8", "products/total"} <= set(metrics)
        is_quantized = load_variants()[run.info.run_name].family == "quantize"
        assert metrics["products/int8"] == (metrics["products/total"] if is_quantized else 0)
        if params["technique"] != "quantize_post_training":
            history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "train/loss")
            assert [point.step for point in history] == [1, 2]
        assert run.data.tags["mlflow.note.content"] == "a note of the base"
    hidden = next(r for r in runs("build") if r.info.run_name == "student_intermediate_kd")
    assert hidden.data.params["config.student.init"] == "pretrained", "resolved, not 'auto'"
    assert hidden.data.params["technique"] == "distill_hidden"
    pruned = next(r for r in runs("build") if r.info.run_name == "pruned_teacher_50pct")
    assert {
        "pruning_curve.png", "pruning_curve.json", "importance_step_1.png", "cut_map.json",
        "cut_map_heads.png", "cut_map_neurons.png",
    } <= files(pruned)  # fmt: skip


def test_prepare_logs_the_splits(finished: Project) -> None:
    (run,) = runs("prepare")
    expected = {"train.csv", "val.csv", "test.csv", "class_distribution.png", "data.json"}
    assert expected <= files(run)
    assert [i.dataset.name for i in run.inputs.dataset_inputs] == [
        "tiny-train", "tiny-val", "tiny-test",
    ]  # fmt: skip


def test_a_benchmark_has_a_child_for_each_variant_and_the_floor(finished: Project) -> None:
    found = {run.info.run_name: run for run in runs("benchmark")}
    parent = found.pop("benchmark")
    # The source of each INT8 variant, in the engine that this CPU is best at.
    int8 = ["student_ptq", "student_qat", "student_tiny"]
    engines = {name: found[name].data.params["runtime"] for name in int8}
    assert set(engines.values()) <= {"onnx_runtime", "openvino_runtime"}
    references = {f"{load_variants()[name].source}@{engines[name]}" for name in int8}
    slow = PRODUCTS | {"padded/latency_p50_ms", "padded/throughput_per_s"}
    lacks = {
        PUBLISHED_PEER: PRODUCTS,
        "teacher@huggingface": slow,
        **{
            f"student_intermediate_kd@{engine}": set[str]()
            for engine in ("ort_dynamic_int8", "openvino_fp32", "openvino_nncf_int8")
        },
        "tfidf_floor": FILE_KEYS,
    }
    if {"avx512_bf16", "amx_bf16"} & {*instruction_sets()}:
        lacks["teacher@huggingface_bf16"] = slow
    lacks["teacher@torch_compile"] = slow
    if has_model2vec():
        lacks["model2vec"] = FILE_KEYS - {"bench/size_mb"}
    assert sorted(found) == sorted({*VARIANTS, *references, *lacks})
    for name, run in found.items():
        missing = (BENCHMARK_KEYS | FILE_KEYS) - set(run.data.metrics)
        assert missing == lacks.get(name, set()), name
        made_from_another = name in VARIANTS and name != "teacher"
        assert ("bench/speedup_vs_source" in run.data.metrics) == made_from_another
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert found["teacher"].data.metrics["bench/speedup_vs_teacher"] == 1.0
    assert {
        "benchmark_results.csv", "benchmark_results.json", "benchmark_results.md",
        "latency_raw.json", "answers.json", "f1_against_latency.png", "throughput.png",
        "latency_distributions.png", "distillation_curves.png",
    } <= files(parent)  # fmt: skip
    raw = mlflow.artifacts.load_dict(f"runs:/{parent.info.run_id}/latency_raw.json")
    assert {len(taken["latency_ms"]) for taken in raw.values()} == {5}


def test_a_file_of_the_users_is_scored_for_all_side_by_side(finished: Project) -> None:
    found = {run.info.run_name: run for run in runs("benchmark")}
    parent = found.pop("benchmark")
    for run in found.values():
        name = run.info.run_name
        peer = "@" in name or name == MODEL2VEC  # most are a variant's model in a slower engine
        assert ("extra/macro_f1" in run.data.metrics) == (not peer), run.info.run_name
        assert ("extra/f1_vs_teacher_low" in run.data.metrics) == (not peer)
    results = mlflow.artifacts.load_dict(f"runs:/{parent.info.run_id}/benchmark_results.json")
    said = results["environment"]["extra_test"]
    assert said.startswith("extra.csv (sha256 ")
    assert "3 negative, 3 neutral, 6 positive; 11 near duplicates" in said


def test_size_counts_every_deployed_file(finished: Project) -> None:
    run = next(r for r in runs("benchmark") if r.info.run_name == "student_vanilla_kd")
    uri = f"models:/{MODEL}@student-vanilla-kd"
    folder = Path(mlflow.artifacts.download_artifacts(uri)) / "artifacts" / "artifact"
    size = sum(file.stat().st_size for file in folder.iterdir())
    assert run.data.metrics["bench/size_mb"] == pytest.approx(size / 1e6)
    assert {f.name for f in folder.iterdir()} == {
        "manifest.json", "model.safetensors", "tokenizer.json",
    }  # fmt: skip


def test_every_alias_answers_from_another_folder(finished: Project, tmp_path: Path) -> None:
    aliases = sorted(mlflow.MlflowClient().get_registered_model(MODEL).aliases)
    assert set(aliases) == set(ROLES) | {name.replace("_", "-") for name in VARIANTS}
    code = (
        f"import json, mlflow\nfor alias in {aliases}:\n"
        f"    m = mlflow.pyfunc.load_model(f'models:/{MODEL}@{{alias}}')\n"
        "    texts = ['profit rose .', None, 'sales fell .']\n"
        "    print(json.dumps([m.predict(texts), m.predict([])]))"
    )
    environment = {
        "PATH": "/usr/bin:/bin",
        "OMP_NUM_THREADS": "1",
        "MLFLOW_TRACKING_URI": f"sqlite:///{finished.folder}/mlflow.db",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(said) == len(aliases) == 13
    assert "Warning" not in done.stderr, "MLflow's, of what is the project's own"
    assert all(none == [] and len(answers) == 3 for answers, none in said)
    assert all(answers[1] == {"label": None, "score": None, "scores": None} for answers, _ in said)
    for answer in (answer for answers, _ in said for answer in answers[::2]):
        assert set(answer) == {"label", "score", "scores"}
        assert list(answer["scores"]) == ["negative", "neutral", "positive"]
        assert sum(answer["scores"].values()) == pytest.approx(1)
        assert answer["score"] == max(answer["scores"].values())
        assert answer["scores"][answer["label"]] == answer["score"]


def test_the_study_ends_with_its_champion_and_a_command_that_asks_it(finished: Project) -> None:
    *_, last = (finished.folder / "said.txt").read_text().split("\n\n")
    number = mlflow.MlflowClient().get_registered_model(MODEL).aliases["champion"]
    first, _, _, pasted, *_ = last.splitlines()
    assert first.startswith(f"{MODEL}@champion is ") and first.endswith(f", version {number}")
    # It finds the store in this folder.
    environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    answers = subprocess.check_output(pasted, shell=True, cwd=finished.folder, env=environment)
    assert ast.literal_eval(answers.decode())[0]["label"] in ("negative", "neutral", "positive")


def test_a_second_call_reuses_everything(
    finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {v.version for v in versions()}
    assert main(["distill", "--study", "tiny"]) == 0
    assert {v.version for v in versions()} == before
    number = mlflow.MlflowClient().get_registered_model(MODEL).aliases["student-vanilla-kd"]
    assert f"student_vanilla_kd: version {number} is up to date" in capsys.readouterr().out


def test_the_registered_models_answer_as_measured(finished: Project) -> None:
    decision = runs("promote")[-1]
    checks = mlflow.artifacts.load_dict(f"runs:/{decision.info.run_id}/decision.json")["checks"]
    shares = {c["variant"]: c["value"] for c in checks if c["rule"] == "same answers"}
    by_number = {int(v.version): v.tags["variant"] for v in versions()}
    aliases = registry.aliases(Study.load("tiny"))
    holders = {by_number[aliases[role]] for role in ("champion", "challenger")}
    assert shares == dict.fromkeys(holders, 1.0)
    assert "pyfunc_overhead_ms" in decision.data.metrics


def test_promote_decides_again_and_a_dry_run_moves_nothing(
    finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    client = mlflow.MlflowClient()
    client.delete_registered_model_alias(MODEL, "champion")
    assert main(["promote", "--study", "tiny", "--dry-run"]) == 0
    assert "dry run: no alias was moved" in capsys.readouterr().out
    assert "champion" not in client.get_registered_model(MODEL).aliases
    assert main(["promote", "--study", "tiny"]) == 0
    assert "champion" in client.get_registered_model(MODEL).aliases


def test_a_measured_version_that_is_gone_moves_no_alias(
    finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    client = mlflow.MlflowClient()
    before = client.get_registered_model(MODEL).aliases
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "variants", lambda study: dict.fromkeys([1, 2], "teacher"))
        assert main(["promote", "--study", "tiny"]) == 2
    assert "version 3 was measured and is gone" in capsys.readouterr().err
    assert client.get_registered_model(MODEL).aliases == before


def test_report_prints_and_commits_the_measurements(
    finished: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--study", "tiny", "--commit-to", str(tmp_path)]) == 0
    assert "| tfidf_floor |" in capsys.readouterr().out
    kept = {file.name for file in (tmp_path / "tiny").iterdir()}
    assert kept == {
        "benchmark_results.csv", "benchmark_results.json", "benchmark_results.md",
        "latency_raw.json", "roles.json", "f1_against_latency.png",
    }  # fmt: skip


def test_report_keeps_the_roles_of_the_same_benchmark_if_the_registry_has_none(
    finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["report", "--study", "tiny", "--commit-to", str(tmp_path)]
    roles, results = (tmp_path / "tiny" / name for name in ("roles.json", "benchmark_results.json"))
    assert main(command) == 0
    before = roles.read_text()
    assert "champion" in before
    monkeypatch.setattr(registry, "aliases", lambda study: {})
    assert main(command) == 0
    assert roles.read_text() == before
    results.write_text("{}")
    assert main(command) == 0
    assert json.loads(roles.read_text()) == {}


def test_report_has_the_tables_over_seeds_beside_the_measurements(
    finished: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = SeedTable(
        study="tiny", synthetic=True, notes=(), environment={}, seeds=(1, 2), rows=()
    )  # fmt: skip
    where = {"stage": "seeds", "study": "tiny", "file": "seeds"}
    with mlflow.start_run(
        tags={f"fincompress.{key}": value for key, value in where.items()}
    ) as run:
        mlflow.log_text(json.dumps(dump(table)), "seeds.json")
    try:
        assert main(["report", "--study", "tiny", "--commit-to", str(tmp_path)]) == 0
    finally:
        mlflow.delete_run(run.info.run_id)
    shown = capsys.readouterr().out
    assert "| tfidf_floor |" in shown and "Study `tiny` (synthetic): seeds, over 1, 2. " in shown
    kept = {file.name for file in (tmp_path / "tiny").iterdir()}
    assert {"benchmark_results.md", "seeds.md", "seeds.csv"} <= kept


def test_its_demo_is_exported_with_the_versions_that_were_measured(
    finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gradio", reason="needs the extra demo")
    command = ["demo", "--study", "tiny", "--export", "my demo", "--variant"]
    assert main([*command, "student_ptq, student_vanilla_kd"]) == 0
    said, out = capsys.readouterr().out, finished.folder / "my demo"
    assert "  a note of the base\n" in said and "pip install -r 'my demo'/requirements" in said
    content = read_demo(out)
    assert content.variants == ("teacher", "student_ptq", "student_vanilla_kd")
    assert content.ladder[0][:2] == ("variant", "test macro-F1")
    assert len(content.ladder) > 1 + len(VARIANTS), "peers and the floor, too"
    assert set(content.examples) <= {text for text, _ in tiny_sentences()}
    assert (out / "f1_against_latency.png").read_bytes().startswith(b"\x89PNG")
    texts = [text for text, _ in tiny_sentences()]
    for name in content.variants:
        exported, own = load_saved_model(out / "models" / name), load(name, "tiny")
        assert exported.runtime != "torch_eager", "the page installs no PyTorch"
        for first, second in zip(exported.predict(texts), own.predict(texts), strict=True):
            assert first["scores"] == pytest.approx(second["scores"], abs=1e-4)
    assert main(["demo", "--study", "tiny", "--export", "new", "--variant", "student_ptc"]) == 2
    assert "is not in the last benchmark of 'tiny'; did you mean 'student_ptq'?" in (
        capsys.readouterr().err
    )


def test_again_makes_a_new_version_of_what_was_asked_alone(finished: Project) -> None:
    before = len(versions())
    assert main(["distill", "--study", "tiny", "--variant", "student_vanilla_kd", "--again"]) == 0
    assert len(versions()) == before + 1
    aliases = mlflow.MlflowClient().get_registered_model(MODEL).aliases
    assert int(aliases["student-vanilla-kd"]) == before + 1
    assert int(aliases["teacher"]) < before

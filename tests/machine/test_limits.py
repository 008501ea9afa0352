"""What only a real machine shows: one core, one thread, bf16 instructions, latency in a study."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import mlflow
import pytest
import torch
from torch import Tensor, nn

from fincompress.artifact import Artifact
from fincompress.cli import main
from fincompress.data import Sentences, Splits
from fincompress.models.storage import load_encoder
from fincompress.models.tokenization import encode, load_tokenizer
from fincompress.training import device
from fincompress.training.batches import Batch, EncodedSentences, predict_logits
from fincompress.training.device import training_precision
from fincompress.training.loop import Budget, Optimizer, fit
from fincompress.training.losses import hard_loss
from tests.support.projects import Log, Project
from tests.support.runs import runs

ROOT = Path(__file__).parents[2]
ONE_CORE = ["taskset", "--cpu-list", "0"]
LIMITS = [
    pytest.param(ONE_CORE, {}, id="one core"),
    pytest.param([], {"OMP_NUM_THREADS": "1"}, id="OMP_NUM_THREADS=1"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "variables"), LIMITS)
def test_the_whole_study_ends_with_a_champion_on_one_thread(
    project: Project, command: Sequence[str], variables: dict[str, str]
) -> None:
    if command and not Path("/usr/bin/taskset").exists():
        pytest.skip("taskset is not installed")
    project.keep("teacher", "student_vanilla_kd", "student_tiny")
    project.change(benchmark=project.study["benchmark"] | {"threads": 2})
    code = (
        "import sys; from pathlib import Path; from fincompress import cli, studies;"
        f"studies.EXPERIMENTS = Path({str(project.folder / 'experiments')!r});"
        "sys.exit(cli.main(['main', '--study', 'tiny']))"
    )
    inherited = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [*command, sys.executable, "-c", code], cwd=project.folder,
        env=inherited | {"PYTHONPATH": str(ROOT)} | variables, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {run.data.params["threads"] for run in runs("build")} == {"1"}
    assert "champion" in mlflow.MlflowClient().get_registered_model("fincompress-tiny").aliases


@pytest.mark.slow
@pytest.mark.skipif(
    training_precision() == "fp32",
    reason="this CPU has neither AVX512-BF16 nor AMX-BF16: it trains in FP32",
)
def test_training_in_bf16_ends_near_fp32(
    splits: Splits, student_base: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = load_tokenizer(student_base)

    def encoded(sentences: Sentences) -> EncodedSentences:
        return EncodedSentences(encode(tokenizer, sentences.texts), sentences.labels)

    train, val = encoded(splits.train), encoded(splits.val)
    answers: dict[str, Tensor] = {}
    losses: dict[str, list[float]] = {}
    for kind, computed in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        model, log = load_encoder(student_base), Log()
        seen: set[torch.dtype] = set()

        def look(
            module: nn.Module, given: object, out: Tensor, seen: set[torch.dtype] = seen
        ) -> None:
            seen.add(out.dtype)

        hook = model.classifier.register_forward_hook(look)

        def objective(batch: Batch, model: nn.Module = model) -> dict[str, Tensor]:
            return {"loss": hard_loss(model(batch.ids, batch.mask), batch.labels)}

        monkeypatch.setattr(device, "training_precision", lambda kind=kind: kind)
        fit(
            model, objective, train, val, budget=Budget(epochs=2, patience=2, batch_size=16),
            optimizer=Optimizer(learning_rate=1e-4, averaging=0.0), seed=0, callback=log,
        )  # fmt: skip
        hook.remove()
        assert computed in seen
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
        losses[kind] = [metrics["train/loss"] for _, metrics in log.steps]
        monkeypatch.setattr(device, "training_precision", lambda: "fp32")
        answers[kind] = predict_logits(model, val.ids).softmax(1)
    moved = (answers["bf16"] - answers["fp32"]).abs()
    assert 0 < float(moved.mean()) < 0.05
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.05)


@pytest.mark.slow
@pytest.mark.timed
def test_the_latency_of_a_trial_is_measured_beside_its_source(project: Project) -> None:
    project.keep("teacher", "student_intermediate_kd", "student_ptq")
    asked = ["--study", "tiny", "--variant", "student_ptq", "--trials", "2"]
    assert main(["tune", *asked, "--storage", f"sqlite:///{project.folder}/optuna.db"]) == 0
    found = [run.data.metrics for run in runs("tune") if "bench/latency_p50_ms" in run.data.metrics]
    assert len(found) == 2
    own, source = "bench/latency_p50_ms_raw", "bench/latency_p50_ms_of_reference"
    # Each is its ratio to the source, times one latency of the source for all.
    first, second = (m["bench/latency_p50_ms"] * m["bench/speedup_vs_source"] for m in found)
    assert first == pytest.approx(second) and first > 0
    raw = [m[key] for m in found for key in (own, source)]
    assert min(raw) > 0 and len(set(raw)) == 4, "timed anew for each trial"

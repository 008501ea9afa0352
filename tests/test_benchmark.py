"""The timer: variants take turns, every call is kept, and a process that dies is named."""

import multiprocessing
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fincompress.artifact import Artifact
from fincompress.data import Splits
from fincompress.evaluation import benchmark
from fincompress.evaluation.benchmark import FLOOR, Resident, Subject, Timing, measure
from fincompress.evaluation.measurement import P50, TEST_F1, THROUGHPUT, VAL_F1
from tests.conftest import refusal

TIMING = Timing(threads=1, warmup=4, latency_runs=60, throughput_batch=8, throughput_passes=2)


def test_variants_take_turns_and_every_call_is_kept(
    splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    class Fake:
        """Takes 1 ms a sentence, and 10 ms for those of the second subject."""

        def __init__(self, subject: Subject, splits: Splits, threads: int) -> None:
            self.name, self.ms = subject.variant, 10 if subject.variant == "b" else 1

        def run(self, batches: Sequence[Sequence[str]]) -> tuple[list[float], NDArray[np.int64]]:
            asked.append((self.name, len(batches)))
            classes = np.zeros(sum(map(len, batches)), dtype=np.int64)
            return [1e-3 * self.ms * len(batch) for batch in batches], classes

        def stop(self) -> None:
            asked.append((self.name, -1))

    monkeypatch.setattr(benchmark, "Resident", Fake)
    subjects = [Subject(name, None, "r", None) for name in "ab"]
    (a, of_a), (b, of_b) = measure(subjects, splits, TIMING)

    turns = [("a", 3), ("a", 50), ("b", 3), ("b", 50), ("a", 3), ("a", 10), ("b", 3), ("b", 10)]
    validation = [("a", 1), ("b", 1)]
    passes = [("a", 3), ("b", 3)] * 2  # 21 sentences are three batches
    end = [("b", -1), ("a", -1)]
    assert asked == [("a", 4), ("b", 4), *turns, *validation, *passes, *end]
    assert len(of_a.latency_ms) == len(of_b.latency_ms) == 60
    assert a.metrics[P50] == pytest.approx(1) and b.metrics[P50] == pytest.approx(10)
    assert a.metrics[THROUGHPUT] == pytest.approx(1000)
    assert len(of_a.throughput_per_s) == 2
    assert 0 < a.metrics[VAL_F1] < 0.5 and 0 < a.metrics[TEST_F1] < 0.5  # one class alone


def test_the_floor_and_a_model_are_measured_in_processes_of_their_own(
    splits: Splits, base: Artifact
) -> None:
    subjects = [Subject("base", 1, "torch_eager", base), FLOOR]
    (model, _), (floor, _) = measure(subjects, splits, TIMING)
    assert model.metrics[P50] > 0 and floor.metrics[P50] > 0
    assert model.metrics["bench/size_mb"] == base.size_mb
    assert "bench/size_mb" not in floor.metrics


def test_what_fails_in_a_process_is_said_here(
    splits: Splits, base: Artifact, tmp_path: Path
) -> None:
    ghost = Subject("ghost", 1, "torch_eager", Artifact(tmp_path / "gone", base.manifest))
    message = refusal(lambda: measure([FLOOR, ghost], splits, TIMING))
    assert message.startswith(f"benchmark: ghost: UserError: {tmp_path}/gone: is not an artifact")
    assert multiprocessing.active_children() == [], "no process is left behind"


def test_a_process_that_dies_is_named(splits: Splits) -> None:
    resident = Resident(FLOOR, splits.train, 1)
    resident.process.kill()
    message = refusal(lambda: resident.run([["profit rose ."]]))
    assert message == "benchmark: the process that measured tfidf_floor died (exit code -9)"
    resident.stop()

"""The timer: variants take turns, every call is kept, and what moved or died is named."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from fincompress.artifact import Artifact
from fincompress.data import Splits
from fincompress.evaluation import benchmark
from fincompress.evaluation.benchmark import FLOOR, Timing, measure, median_latencies
from fincompress.evaluation.measurement import (
    COLD_START,
    P50,
    P99,
    PADDED_P50,
    PADDED_THROUGHPUT,
    PEAK_MEMORY,
    THROUGHPUT,
    at_batch,
    at_threads,
)
from fincompress.evaluation.resident import Resident, Start, Subject
from fincompress.export import export
from fincompress.runtimes import runtime_names
from tests.conftest import refusal

TIMING = Timing(
    threads=1, warmup=4, latency_runs=110, padded_runs=10, throughput_batch=8, batches=(1, 8),
    throughput_sentences=16, throughput_passes=2,
)  # fmt: skip


class Fake:
    """Takes 1 ms a sentence, 10 ms if its name is `b`; padded ten times that."""

    asked: ClassVar[list[tuple[str, str, int]]] = []
    drift = 1.0  # what the time of later calls is multiplied by

    def __init__(self, subject: Subject, threads: int, train: Any = None) -> None:
        self.subject, self.name = subject, subject.variant
        self.ms = 10.0 if self.name == "b" else 1.0

    def prepare(self) -> None:
        self.asked.append((self.name, "prepare", 1))

    def start(self, threads: int, text: str) -> Start:
        self.asked.append((self.name, f"start {threads}", 1))
        return Start(7.0, "f32")

    def run(self, batches: Sequence[Sequence[str]]) -> tuple[list[float], NDArray[np.float32]]:
        self.asked.append((self.name, "run", len(batches)))
        self.ms *= self.drift
        logits = np.zeros((sum(map(len, batches)), 3), dtype=np.float32)
        return [1e-3 * self.ms * len(batch) for batch in batches], logits

    def forward(self, batches: Sequence[Sequence[str]]) -> list[float]:
        self.asked.append((self.name, "forward", len(batches)))
        return [1e-2 * self.ms * len(batch) for batch in batches]

    def peak_memory_mb(self) -> float:
        return 100.0

    def stop(self) -> None:
        self.asked.append((self.name, "stop", 0))


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch, base: Artifact) -> list[Subject]:
    monkeypatch.setattr(benchmark, "Resident", Fake)
    monkeypatch.setattr(Fake, "asked", [])
    return [Subject(name, None, "torch_eager", base) for name in "ab"]


def asked(splits: Splits) -> dict[str, Sequence[str]]:
    return {"val": splits.val.texts, "test": splits.test.texts}


def test_variants_take_turns_and_every_call_is_kept(splits: Splits, fakes: list[Subject]) -> None:
    (a, b), drift = measure(fakes, splits, TIMING, parts=asked(splits))

    def turns(what: str, *counts: int) -> list[tuple[str, str, int]]:
        """Each count in turn for both, after the untimed calls that open a turn."""
        return [(n, what, c) for count in counts for n in "ab" for c in (3, count)]

    def each(what: str, *counts: int) -> list[tuple[str, str, int]]:
        return [(name, what, count) for count in counts for name in "ab"]

    reference = [("a", "run", 50)]
    turns_of_two = [(n, "forward", c) for n in "ab" for c in (1, 2)]
    assert Fake.asked == [
        *each("prepare", 1), *each("start 1", 1), *each("run", 4), *reference,
        *turns("run", 25, 25, 25, 25, 10), *turns("forward", 10),
        ("a", "run", 1), ("a", "run", 16), ("b", "run", 1), ("b", "run", 16),  # one a call
        *[("a", "run", 1), ("a", "run", 2), ("b", "run", 1), ("b", "run", 2)] * 3,  # eight, thrice
        *turns_of_two, *turns_of_two,
        *each("run", 3, 3),  # validation and test, 21 sentences each
        *[(n, what, c) for n in "ab" for what, c in (("start 1", 1), ("run", 1), ("run", 2))],
        *reference,
        ("a", "stop", 0), ("b", "stop", 0),
    ]  # fmt: skip
    assert len(a.samples.latency_ms) == len(b.samples.latency_ms) == 110
    assert len(a.samples.throughput_per_s) == 2 and len(a.samples.padded_latency_ms) == 10
    for result, ms in ((a, 1.0), (b, 10.0)):
        found = result.measurement.metrics
        assert found[P50] == found[P99] == pytest.approx(ms)
        assert result.measurement.intervals[P50] == pytest.approx((ms, ms))
        assert found[PADDED_P50] == pytest.approx(10 * ms)
        assert found[PADDED_THROUGHPUT] == pytest.approx(100 / ms)
        assert (found[COLD_START], found[PEAK_MEMORY]) == (7.0, 100.0)
        for key in (THROUGHPUT, at_batch(1), at_batch(8), at_threads(1)):
            assert found[key] == pytest.approx(1000 / ms)
        assert {part: rows.shape for part, rows in result.logits.items()} == {
            "val": (21, 3), "test": (21, 3),
        }  # fmt: skip
        assert result.measurement.unreliable == ""
    assert drift == {
        "reference_first_ms": pytest.approx(1), "reference_last_ms": pytest.approx(1),
    }  # fmt: skip


def test_a_machine_that_moves_makes_every_timing_unreliable(
    splits: Splits, fakes: list[Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fake, "drift", 1.01)
    results, drift = measure(fakes, splits, TIMING, parts={})
    assert drift["reference_last_ms"] > 1.1 * drift["reference_first_ms"]
    for result in results:
        why = result.measurement.unreliable
        assert why.startswith("the reference moved by ") and why.endswith("% meanwhile")


def test_a_median_that_is_not_known_well_is_unreliable(
    splits: Splits, fakes: list[Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0)

    def run(self: Fake, batches: Sequence[Sequence[str]]) -> tuple[list[float], Any]:
        factor = noise.uniform(1, 3) if self.name == "b" else 1.0  # by round
        count = sum(map(len, batches))
        return [1e-3 * factor * len(batch) for batch in batches], np.zeros((count, 3))

    monkeypatch.setattr(Fake, "run", run)
    (a, b), _ = measure(fakes, splits, TIMING, parts={})
    assert a.measurement.unreliable == ""
    assert b.measurement.unreliable.startswith("its median is known to within ")


def test_too_few_calls_to_tell_an_interval_from_are_unreliable(
    splits: Splits, fakes: list[Subject]
) -> None:
    (a, _), _ = measure(fakes, splits, replace(TIMING, latency_runs=99), parts={})
    assert a.measurement.unreliable == "99 calls are fewer than 4 rounds of 25"


@pytest.mark.timed
@pytest.mark.parametrize("runtime", runtime_names())
def test_a_resident_rests_while_nobody_asks(runtime: str, base: Artifact, tmp_path: Path) -> None:
    exported = base if runtime == "torch_eager" else export(base, runtime, tmp_path / "a")
    resident = Resident(Subject("a", 1, runtime, exported), 2)
    try:
        resident.prepare()
        resident.start(2, "profit rose .")
        resident.run([["profit rose ."] * 40] * 5)
        before = sum(psutil.Process(resident.process.pid).cpu_times()[:2])
        time.sleep(0.5)
        used = sum(psutil.Process(resident.process.pid).cpu_times()[:2]) - before
    finally:
        resident.stop()
    assert used < 0.1, "a thread that spins would use half a second"


def test_the_floor_and_a_model_are_measured_in_processes_of_their_own(
    splits: Splits, base: Artifact
) -> None:
    subjects = [Subject("base", 1, "torch_eager", base), FLOOR]
    (model, floor), _ = measure(subjects, splits, TIMING, parts={})
    found, floors = model.measurement.metrics, floor.measurement.metrics
    assert found[P50] > 0 and floors[P50] > 0 and found[COLD_START] > 0
    assert found["bench/size_mb"] == base.size_mb
    assert 20 < floors[PEAK_MEMORY] < found[PEAK_MEMORY] + 200
    assert {"bench/size_mb", PADDED_P50, at_threads(1)} & floors.keys() == set()
    assert model.measurement.precision == "f32"


def test_what_is_not_asked_is_timed_alone(splits: Splits, fakes: list[Subject]) -> None:
    results, _ = measure(fakes, splits, TIMING, parts={})
    assert [result.logits for result in results] == [{}, {}]


def test_what_fails_in_a_process_is_said_here(
    splits: Splits, base: Artifact, tmp_path: Path
) -> None:
    ghost = Subject("ghost", 1, "torch_eager", Artifact(tmp_path / "gone", base.manifest))
    message = refusal(lambda: median_latencies([ghost], splits.test.texts, TIMING))
    assert message.startswith(f"benchmark: ghost: UserError: {tmp_path}/gone: is not an artifact")
    left = psutil.Process().children()
    assert not [child for child in left if "resident" in " ".join(child.cmdline())]


def test_a_process_that_dies_is_named() -> None:
    resident = Resident(FLOOR, 1)
    os.kill(resident.process.pid, signal.SIGKILL)
    message = refusal(resident.prepare)
    assert message == "benchmark: the process that measured tfidf_floor died (exit code -9)"
    resident.stop()


def test_a_process_ends_with_the_one_that_measures() -> None:
    code = (
        "import os\n"
        "from fincompress.evaluation.benchmark import FLOOR\n"
        "from fincompress.evaluation.resident import Resident\n"
        "print(Resident(FLOOR, 1).process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    deadline = time.monotonic() + 30
    while psutil.pid_exists(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not psutil.pid_exists(int(done.stdout))
    assert done.stderr == ""

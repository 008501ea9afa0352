"""The timer: variants take turns, every call is kept, and what moved or died is named."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from fincompress.artifact import Artifact
from fincompress.benchmark import rounds
from fincompress.benchmark.process import (
    HUGGING_FACE,
    TORCH_COMPILE,
    ColdStart,
    MeasuredProcess,
    Subject,
)
from fincompress.benchmark.protocol import FLOOR_SUBJECT, Timing, measure, median_latencies
from fincompress.benchmark.rounds import turn_order
from fincompress.config import UserError
from fincompress.data import Splits
from fincompress.evaluation.results import (
    COLD_START,
    P50,
    P99,
    PADDED_P50,
    PADDED_THROUGHPUT,
    PEAK_MEMORY,
    THROUGHPUT,
    batch_throughput_key,
    thread_throughput_key,
)
from fincompress.export import export
from fincompress.machine import locks
from fincompress.runtimes import runtime_names
from tests.support.projects import refusal

TIMING = Timing(
    threads=1, warmup=4, latency_runs=82, padded_runs=3, throughput_batch=8, batches=(1, 8),
    throughput_sentences=16, throughput_passes=2,
)  # fmt: skip


class Fake:
    """Takes 1 ms a sentence, 10 ms if its name is `b`; padded ten times that."""

    asked: ClassVar[list[tuple[str, str, int]]] = []
    drift = 1.0  # what the time of later calls is multiplied by
    dies: ClassVar[dict[str, str]] = {}  # who, and asked for what

    def __init__(self, subject: Subject, threads: int, train: Any = None) -> None:
        self.subject, self.name = subject, subject.variant
        self.ms = 10.0 if self.name == "b" else 1.0

    def ask(self, what: str, count: int = 1) -> None:
        self.asked.append((self.name, what, count))
        if self.dies.get(self.name) == what:
            raise UserError(f"benchmark: {self.name} died")

    def begin(self) -> None:
        pass

    def prepare(self) -> None:
        self.ask("prepare")

    def start(self, threads: int, text: str) -> ColdStart:
        self.ask(f"start {threads}")
        return ColdStart(7.0, self.subject.runtime, "f32")

    def run(self, batches: Sequence[Sequence[str]]) -> tuple[list[float], NDArray[np.float32]]:
        self.ask("run", len(batches))
        self.ms *= self.drift
        logits = np.zeros((sum(map(len, batches)), 3), dtype=np.float32)
        return [1e-3 * self.ms * len(batch) for batch in batches], logits

    def forward(self, batches: Sequence[Sequence[str]]) -> list[float]:
        self.ask("forward", len(batches))
        return [1e-2 * self.ms * len(batch) for batch in batches]

    def hands_over(self, texts: Sequence[str]) -> list[bool]:
        return [number % 3 == 0 for number in range(len(texts))] if self.name == "b" else []

    def peak_memory_mb(self) -> float:
        return 100.0

    def stop(self) -> None:
        self.asked.append((self.name, "stop", 0))


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch, base: Artifact) -> list[Subject]:
    monkeypatch.setattr(rounds, "MeasuredProcess", Fake)
    monkeypatch.setattr(Fake, "asked", [])
    monkeypatch.setattr(Fake, "dies", {})
    return [Subject(name, None, "torch_eager", base) for name in "ab"]


def asked(splits: Splits) -> dict[str, Sequence[str]]:
    return {"val": splits.val.texts, "test": splits.test.texts}


def test_variants_take_turns_and_every_call_is_kept(splits: Splits, fakes: list[Subject]) -> None:
    timing = replace(TIMING, threads=2)
    measured = measure(fakes, splits, timing, parts=asked(splits))
    a, b = measured.results

    def each(what: str, *counts: int) -> list[tuple[str, str, int]]:
        return [(name, what, count) for count in counts for name in "ab"]

    def in_turns(what: str, first: int, *counts: int) -> list[tuple[str, str, int]]:
        """Each count in a round, after calls that are not timed, and every other round from b."""
        orders = [("ab", "ba")[number % 2] for number in range(len(counts))]
        return [
            (name, what, calls)
            for order, count in zip(orders, counts, strict=True)
            for name in order
            for calls in (min(first, count), count)
        ]

    reference = [("a", "run", 50)]
    loaded_anew = [(n, what, c) for n in "ab" for what, c in
                   (("start 1", 1), ("run", 1), ("run", 2))]  # fmt: skip
    assert Fake.asked == [
        *each("prepare", 1), *each("start 2", 1), *each("run", 4), *reference,
        *in_turns("run", 3, *[4] * 20, 2), *in_turns("forward", 3, 1, 1, 1),
        *in_turns("run", 1, 16, 16),  # one text a call; those of eight are throughput's own
        *in_turns("run", 1, 2, 2), *in_turns("forward", 1, 2, 2),  # two passes of everything
        *each("run", 3, 3),  # validation and test, 21 sentences each
        *loaded_anew, ("a", "start 2", 1), ("a", "run", 4), *reference,
        ("a", "stop", 0), ("b", "stop", 0),
    ]  # fmt: skip
    assert len(a.samples.latency_ms) == len(b.samples.latency_ms) == 82
    assert len(a.samples.throughput_per_s) == 2 and len(a.samples.padded_latency_ms) == 3
    assert a.samples.round_calls == 4
    for result, ms in ((a, 1.0), (b, 10.0)):
        found = result.measurement.metrics
        assert found[P50] == found[P99] == pytest.approx(ms)
        assert result.measurement.intervals[P50] == pytest.approx((ms, ms))
        assert found[PADDED_P50] == pytest.approx(10 * ms)
        assert found[PADDED_THROUGHPUT] == pytest.approx(100 / ms)
        assert (found[COLD_START], found[PEAK_MEMORY]) == (7.0, 100.0)
        for key in (
            THROUGHPUT,
            batch_throughput_key(1),
            batch_throughput_key(8),
            thread_throughput_key(1),
            thread_throughput_key(2),
        ):
            assert found[key] == pytest.approx(1000 / ms)
        assert {part: rows.shape for part, rows in result.logits.items()} == {
            "val": (21, 3), "test": (21, 3),
        }  # fmt: skip
        assert result.measurement.round_medians_ms == pytest.approx([ms] * 21)
    assert measured.failed == {} and measured.drift == {
        "reference_first_ms": pytest.approx(1), "reference_last_ms": pytest.approx(1),
    }  # fmt: skip


def test_peers_are_timed_in_serving_and_padded_in_one_form_of_pytorch_alone(
    splits: Splits, fakes: list[Subject]
) -> None:
    """They are slow, and their throughput on fewer threads decides nothing."""
    subjects = [
        fakes[0],
        replace(fakes[1], variant="recipe", runtime=HUGGING_FACE, batching="maximum"),
        replace(fakes[1], variant="natural", runtime=HUGGING_FACE, batching="longest"),
        replace(fakes[1], variant="compiled", runtime=TORCH_COMPILE, batching="longest"),
        replace(fakes[1], variant="openvino", runtime="torch_eager", batching="longest"),
    ]
    measured = measure(subjects, splits, replace(TIMING, threads=2), parts=asked(splits))
    found = {r.measurement.variant: (r.measurement.metrics, r.logits) for r in measured.results}
    assert [*found] == ["a", "recipe", "natural", "compiled", "openvino"]
    forwarded = {name for name, what, _ in Fake.asked if what == "forward"}
    assert forwarded == {"a", "recipe", "openvino"}
    assert {name for name, what, _ in Fake.asked if what == "start 1"} == {"a"}
    for name, (metrics, logits) in found.items():
        assert (PADDED_P50 in metrics) == (PADDED_THROUGHPUT in metrics) == (name in forwarded)
        assert (thread_throughput_key(1) in metrics) == (name == "a")
        assert thread_throughput_key(2) in metrics and set(logits) == {"val", "test"}


def test_large_calls_begin_again_with_the_first_text_and_spare_what_is_slow(
    splits: Splits, fakes: list[Subject]
) -> None:
    peer = replace(fakes[1], variant="peer", runtime=HUGGING_FACE, batching="longest")
    untrained = replace(peer, variant="untrained", scored=False)
    subjects = [*fakes, peer, untrained, FLOOR_SUBJECT]
    large = replace(TIMING, batches=(8, 50))  # there are 21 test sentences
    measured = measure(subjects, splits, large, parts=asked(splits))
    timed = {
        r.measurement.variant: batch_throughput_key(50) in r.measurement.metrics
        for r in measured.results
    }
    assert timed == {
        "a": True, "b": True, "peer": False, "untrained": False, "tfidf_floor": True
    }  # fmt: skip
    b = measured.results[1]
    assert b.measurement.metrics[batch_throughput_key(50)] == pytest.approx(100)
    assert [r.measurement.variant for r in measured.results if not r.logits] == ["untrained"]


def test_what_a_cascade_hands_over_is_recorded_for_each_part(
    splits: Splits, fakes: list[Subject]
) -> None:
    a, b = measure(fakes, splits, TIMING, parts=asked(splits)).results
    assert a.handed_over == {}
    assert {part: rows.mean() for part, rows in b.handed_over.items()} == {
        "val": pytest.approx(1 / 3), "test": pytest.approx(1 / 3),
    }  # fmt: skip
    unscored = measure(fakes, splits, TIMING, parts={}).results[1]
    assert list(unscored.handed_over) == ["test"], "which is timed even then"


@pytest.mark.parametrize("runs", [20, 39, 100, 500])
def test_there_are_twenty_rounds_at_least(runs: int) -> None:
    counts = [len(calls) for _, calls in rounds.split_into_rounds(["profit rose ."], runs)]
    assert len(counts) >= 20 and sum(counts) == runs
    assert counts[:20] == [runs // 20] * 20


def test_turns_begin_with_each_in_turn_and_nobody_always_follows_the_same() -> None:
    orders = [turn_order(6, number) for number in range(6)]
    assert [order[0] for order in orders] == list(range(6))
    assert all(sorted(order) == list(range(6)) for order in orders)
    followers = Counter(pair for order in orders for pair in pairwise(order))
    assert followers == Counter(permutations(range(6), 2)), "each follows each other once"
    assert turn_order(1, 7) == [0] and turn_order(0, 3) == []


def test_how_the_reference_moves_is_said(
    splits: Splits, fakes: list[Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fake, "drift", 1.01)
    drift = measure(fakes, splits, TIMING, parts={}).drift
    assert drift["reference_last_ms"] > 1.1 * drift["reference_first_ms"]


@pytest.mark.parametrize("asked_for", ["prepare", "start 1", "run", "forward"])
def test_one_that_dies_is_left_out_and_the_others_are_measured(
    splits: Splits, fakes: list[Subject], monkeypatch: pytest.MonkeyPatch, asked_for: str
) -> None:
    monkeypatch.setattr(Fake, "dies", {"b": asked_for})
    found = measure(fakes, splits, TIMING, parts=asked(splits))
    assert found.failed == {"b": "benchmark: b died"}
    (a,) = found.results
    assert len(a.samples.latency_ms) == 82 and set(a.logits) == {"val", "test"}
    mine = [what for name, what, _ in Fake.asked if name == "b"]
    assert mine[mine.index(asked_for) + 1 :] == ["stop", "stop"], "it is asked no more"


def test_without_the_reference_nothing_is_measured(
    splits: Splits, fakes: list[Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fake, "dies", {"a": "forward"})
    message = refusal(lambda: measure(fakes, splits, TIMING, parts={}))
    assert message == "benchmark: a died"
    assert Fake.asked[-2:] == [("a", "stop", 0), ("b", "stop", 0)]


def test_only_one_measures_at_once_on_a_machine(
    fakes: list[Subject], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process, of a user with another temporary folder, waits; it says so once."""
    (tmp_path / "own").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "own"))
    monkeypatch.setattr(locks, "SHARED", tmp_path)
    code = (
        "from pathlib import Path\n"
        "from fincompress.machine import locks\n"
        f"locks.SHARED = Path({str(tmp_path)!r})\n"
        "from fincompress.benchmark.rounds import measuring_processes\n"
        "with measuring_processes([], 1, 'profit rose .', None, 0): print('holds', flush=True)\n"
    )
    root = Path(__file__).parents[2]
    with rounds.measuring_processes(fakes, 1, "profit rose .", None, 1):
        other = subprocess.Popen(
            [sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout is not None
        waits = other.stdout.readline()
        assert other.poll() is None
    said, _ = other.communicate(timeout=60)
    assert waits == "another process is measuring on this machine; waiting for it to end\n"
    assert said == "holds\n"
    (file,) = tmp_path.glob("fincompress-*.lock")
    assert file.stat().st_mode & 0o777 == 0o666, "whoever comes next may be another user"


@pytest.mark.timed
@pytest.mark.parametrize("runtime", [name for name in runtime_names() if name != "cascade"])
def test_a_resident_rests_while_nobody_asks(runtime: str, base: Artifact, tmp_path: Path) -> None:
    exported = base if runtime == "torch_eager" else export(base, runtime, tmp_path / "a")
    resident = MeasuredProcess(Subject("a", 1, runtime, exported), 2)
    try:
        resident.begin()
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
    subjects = [Subject("base", 1, "torch_eager", base), FLOOR_SUBJECT]
    model, floor = measure(subjects, splits, TIMING, parts={}).results
    found, floors = model.measurement.metrics, floor.measurement.metrics
    assert found[P50] > 0 and floors[P50] > 0 and found[COLD_START] > 0
    assert found["bench/size_mb"] == base.size_mb
    assert 20 < floors[PEAK_MEMORY] < found[PEAK_MEMORY] + 200
    assert {"bench/size_mb", PADDED_P50, thread_throughput_key(1)} & floors.keys() == set()
    assert model.measurement.precision == "f32"


def test_what_is_not_asked_is_timed_alone(splits: Splits, fakes: list[Subject]) -> None:
    found = measure(fakes, splits, TIMING, parts={})
    assert [result.logits for result in found.results] == [{}, {}]


def test_what_fails_in_a_process_is_said_here(
    splits: Splits, base: Artifact, tmp_path: Path
) -> None:
    ghost = Subject("ghost", 1, "torch_eager", Artifact(tmp_path / "gone", base.manifest))
    message = refusal(lambda: median_latencies([ghost], splits.test.texts, TIMING))
    assert message.startswith(f"benchmark: ghost: UserError: {tmp_path}/gone: is not an artifact")
    left = [child.cmdline() for child in psutil.Process().children()]
    assert not [words for words in left if MeasuredProcess.__module__ in words]


def test_a_process_that_dies_is_named() -> None:
    resident = MeasuredProcess(FLOOR_SUBJECT, 1)
    os.kill(resident.process.pid, signal.SIGKILL)
    message = refusal(resident.prepare)
    assert message == "benchmark: the process that measured tfidf_floor died (exit code -9)"
    resident.stop()


def test_a_process_ends_with_the_one_that_measures() -> None:
    code = (
        "import os\n"
        "from fincompress.benchmark.protocol import FLOOR_SUBJECT\n"
        "from fincompress.benchmark.process import MeasuredProcess\n"
        "print(MeasuredProcess(FLOOR_SUBJECT, 1).process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    deadline = time.monotonic() + 30
    while psutil.pid_exists(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not psutil.pid_exists(int(done.stdout))
    assert done.stderr == ""


def test_the_measured_process_imports_only_what_its_model_needs() -> None:
    """What else it imported would count as the model's memory."""
    code = "import sys, fincompress.benchmark.process; print('\\n'.join(sys.modules))"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    engines = {"torch", "onnxruntime", "openvino", "transformers", "sklearn"}
    assert not imported & (engines | {"mlflow", "optuna", "pandas", "scipy", "matplotlib"})

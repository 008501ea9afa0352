"""The choice of an engine: the fastest of those that are right, once for each machine."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fincompress.artifact import Artifact
from fincompress.config import UserError
from fincompress.export import export
from fincompress.machine.cache import CACHE_VARIABLE
from fincompress.models.probe import SENTENCES, read_probe
from fincompress.models.storage import load_encoder
from fincompress.runtimes import (
    Classifier,
    auto,
    load_accepted,
    onnx_runtime,
    openvino_runtime,
    torch_eager,
)
from tests.support.projects import refusal


@pytest.fixture(scope="module")
def graph(base: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return export(base, "auto", tmp_path_factory.mktemp("auto") / "graph")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine on which nothing was measured yet; without bf16, whatever this one has."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.setattr(auto, "_refused", {})
    monkeypatch.setattr(openvino_runtime, "precisions", lambda: ("f32",))
    yield tmp_path / "cache" / "engines"


def slowed(monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float]) -> list[str]:
    """Let a timing of each engine be so long; return the engines as they are timed."""
    timed: list[str] = []

    def ms(classifier: Classifier, texts: object) -> float:
        timed.append(classifier.way)
        return 1e3 * seconds[classifier.way]

    monkeypatch.setattr(auto, "_ms", ms)
    return timed


def off_by(
    classifier: Classifier, change: NDArray[np.float32], precision: str = "f32"
) -> Classifier:
    def infer(ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        return classifier.infer(ids, mask) + change

    return replace(classifier, infer=infer, open_streams=None, precision=precision)


def test_the_probe_holds_what_pytorch_answers(graph: Artifact, base: Artifact) -> None:
    probe = read_probe(graph)
    assert probe.texts == SENTENCES
    expected = torch_eager.load(base, 1)(SENTENCES)
    np.testing.assert_allclose(probe.logits, expected, atol=1e-3)
    assert load_encoder(base).layout.labels == probe.logits.shape[1]


@pytest.mark.parametrize("fastest", ["onnx_runtime", "openvino_runtime"])
def test_the_fastest_engine_is_taken_and_remembered(
    graph: Artifact, cache: Path, monkeypatch: pytest.MonkeyPatch, fastest: str
) -> None:
    seconds = {"onnx_runtime": 0.002, "openvino_runtime": 0.002, fastest: 0.001}
    timed = slowed(monkeypatch, seconds)
    assert auto.load(graph, 1).engine == fastest
    assert set(timed) == set(seconds), "both were timed, in turns"
    (file,) = cache.iterdir()
    ways = json.loads(file.read_text())
    assert [way["engine"] for way in ways] == sorted(seconds, key=seconds.__getitem__)
    assert (ways[0]["one_ms"], ways[0]["precision"]) == (1.0, "f32")

    timed.clear()
    assert auto.load(graph, 1).engine == fastest
    assert not timed, "a second load measures nothing"
    auto.load(graph, 2)
    assert len(list(cache.iterdir())) == 2, "with other threads another engine may be the fastest"


def test_engines_are_timed_on_calls_of_three_sizes_whose_texts_change(
    graph: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []

    def ms(classifier: Classifier, texts: tuple[str, ...]) -> float:
        calls.append(tuple(texts))
        return {1: 1.0, auto.FEW: 2.0, len(SENTENCES): 4.0}.get(len(texts), 9.0)

    monkeypatch.setattr(auto, "_ms", ms)
    best = auto.rank_engines(graph, 1)[0]
    assert (best.one_ms, best.few_ms, best.many_ms) == (1.0, 2.0, 4.0)
    assert best.cost == pytest.approx(2.0)
    few = [texts for texts in calls if len(texts) == auto.FEW]
    engines = len(auto.ENGINES)
    assert len(few) == engines * auto.TURNS * len(SENTENCES) / auto.FEW
    assert len(set(few)) == len(few) / engines, "the same for each engine, and others in each turn"


def test_another_cpu_or_another_release_measures_again(
    graph: Artifact, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto.rank_engines(graph, 1)
    monkeypatch.setattr(auto, "cpu_flags", lambda: ("avx2",))
    auto.rank_engines(graph, 1)
    assert len(list(cache.iterdir())) == 2
    for file in cache.iterdir():
        file.write_text('[{"engine": "onnx_runtime"}]')
    assert len(auto.rank_engines(graph, 1)) == 2, "what cannot be read is measured"


def test_an_engine_that_answers_otherwise_is_not_taken_however_fast(
    graph: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = openvino_runtime.load
    wrong = np.array([3, 0, 0], dtype=np.float32)
    monkeypatch.setattr(openvino_runtime, "load", lambda a, t: off_by(whole(a, t), wrong))
    slowed(monkeypatch, {"onnx_runtime": 0.002, "openvino_runtime": 0.001})
    assert [timing.engine for timing in auto.rank_engines(graph, 1)] == ["onnx_runtime"]


def test_a_precision_is_taken_only_where_it_is_faster_and_as_right(
    graph: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole, change = openvino_runtime.load, np.zeros(3, dtype=np.float32)

    def load(artifact: Artifact, threads: int, precision: str = "f32") -> Classifier:
        loaded = whole(artifact, threads)
        return off_by(loaded, change, "bf16") if precision == "bf16" else loaded

    monkeypatch.setattr(openvino_runtime, "load", load)
    monkeypatch.setattr(openvino_runtime, "precisions", lambda: ("f32", "bf16"))

    def best(bf16_s: float, place: str) -> str:
        monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / place))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / place))
        seconds = {"onnx_runtime": 0.003, "openvino_runtime": 0.002}
        slowed(monkeypatch, seconds | {"openvino_runtime bf16": bf16_s})
        return auto.load(graph, 1).way

    assert best(0.001, "faster") == "openvino_runtime bf16"
    assert best(0.004, "slower") == "openvino_runtime"
    assert best(0.00195, "hardly faster") == "openvino_runtime"
    change[0] = 3
    assert best(0.001, "wrong") == "openvino_runtime"


def test_an_engine_that_cannot_run_the_graph_is_passed_over(
    graph: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(artifact: Artifact, threads: int) -> Classifier:
        raise RuntimeError("no such\noperation")

    monkeypatch.setattr(onnx_runtime, "load", broken)
    assert auto.load(graph, 1).engine == "openvino_runtime"
    monkeypatch.setattr(openvino_runtime, "load", broken)
    monkeypatch.setattr(auto, "cpu_model", lambda: "another one")
    assert refusal(lambda: auto.load(graph, 1)) == (
        f"{graph.path}: no engine answers the probe as PyTorch does, within 0.15: "
        "onnx_runtime f32: no such operation; openvino_runtime f32: no such operation"
    )


def test_what_is_refused_on_real_sentences_gives_way_to_the_next_engine(
    graph: Artifact,
    base: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    slowed(monkeypatch, {"onnx_runtime": 0.001, "openvino_runtime": 0.002})

    def judge(loaded: Classifier) -> str:
        return "9 of 506 labels change" if loaded.engine == "onnx_runtime" else ""

    assert load_accepted("auto", graph, 1, judge).engine == "openvino_runtime"
    said = capsys.readouterr().err
    assert said == "onnx_runtime: 9 of 506 labels change; trying the next engine\n"
    assert auto.load(graph, 1).engine == "openvino_runtime", "and is not taken again"
    assert auto.load(graph, 2).engine == "openvino_runtime", "nor with other threads"
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.setattr(auto, "_refused", {})
    assert auto.load(graph, 1).engine == "openvino_runtime", "nor by who serves it, on this machine"

    with pytest.raises(UserError, match=r"^openvino_runtime: wrong$"):
        load_accepted("auto", graph, 1, lambda _: "wrong")
    message = refusal(lambda: auto.load(graph, 1))
    assert message == f"{graph.path}: every engine gave wrong answers on this CPU"
    with pytest.raises(UserError, match=r"^torch_eager: wrong$"):
        load_accepted("torch_eager", base, 1, lambda _: "wrong")


def test_a_folder_that_cannot_be_written_costs_the_memory_alone(
    graph: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert auto.load(graph, 1)(["profit rose"]).shape == (1, 3)
    with pytest.raises(UserError, match=r"^(\w+): wrong; (\w+): wrong$"):  # and comes to an end
        load_accepted("auto", graph, 1, lambda _: "wrong")


def test_one_graph_runs_in_both_engines(graph: Artifact) -> None:
    texts = list(SENTENCES)
    first, second = (load(graph, 1) for load in (onnx_runtime.load, openvino_runtime.load))
    np.testing.assert_allclose(first(texts), second(texts), atol=1e-4)

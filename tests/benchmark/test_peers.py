"""Peers: most run the same weights, and what is compared is how they are run."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fincompress.artifact import Artifact
from fincompress.benchmark import peers
from fincompress.benchmark.huggingface import load_huggingface
from fincompress.benchmark.peers import list_peers
from fincompress.benchmark.process import (
    HUGGING_FACE,
    TORCH_COMPILE,
    ColdStart,
    MeasuredProcess,
    Subject,
    one_batch_predictor,
)
from fincompress.benchmark.protocol import Timing, measure
from fincompress.compression.pruning import KeptParts, prune_encoder
from fincompress.data import Splits
from fincompress.evaluation.results import PUBLISHED_PEER, PUBLISHED_RECIPE
from fincompress.models.huggingface import HuggingFace
from fincompress.models.storage import Identity, load_encoder, save_encoder
from fincompress.models.tokenization import load_tokenizer
from fincompress.runtimes import load_runtime
from tests.support.projects import refusal

TEXTS = ["profit rose .", "the company fell and fell in the year .", "sales"]
NATURAL, BF16 = "teacher@huggingface", "teacher@huggingface_bf16"
COMPILED = "teacher@torch_compile"
DYNAMIC, OPENVINO, NNCF = (
    f"student@{engine}" for engine in ("ort_dynamic_int8", "openvino_fp32", "openvino_nncf_int8")
)
# By how much logits may differ from PyTorch's, relative to the largest of them.
TOLERANCE = {BF16: 0.02, DYNAMIC: 0.05, NNCF: 0.05}
FP32_TOLERANCE = 1e-4
TIMING = Timing(
    threads=1, warmup=1, latency_runs=20, padded_runs=2, throughput_batch=8, batches=(8,),
    throughput_sentences=8, throughput_passes=1,
)  # fmt: skip


def made_peers(base: Artifact, splits: Splits, folder: Path) -> dict[str, Subject]:
    return {
        name: make() for name, make in list_peers(base, base, "student", splits, folder).items()
    }


def ask(subject: Subject) -> tuple[ColdStart, NDArray[np.float32]]:
    """Load the subject in a process of its own; its start, and its logits for `TEXTS`."""
    measured = MeasuredProcess(subject, 1)
    try:
        measured.begin()
        measured.prepare()
        start = measured.start(1, TEXTS[0])
        seconds, logits = measured.run([TEXTS])
        assert len(seconds) == 1 and seconds[0] > 0
        if subject.padded:
            assert len(measured.forward([TEXTS, TEXTS[:1]])) == 2
        return start, logits
    finally:
        measured.stop()


def assert_same_answers(subject: Subject, base: Artifact, logits: NDArray[np.float32]) -> None:
    expected = load_runtime("torch_eager").load(base, torch.get_num_threads())(TEXTS)
    allowed = TOLERANCE.get(subject.variant, FP32_TOLERANCE) * np.abs(expected).max()
    np.testing.assert_allclose(logits, expected, atol=allowed, rtol=0, err_msg=subject.variant)
    np.testing.assert_array_equal(logits.argmax(1), expected.argmax(1), err_msg=subject.variant)


@pytest.fixture
def without_model2vec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "has_model2vec", lambda: False)


def test_hugging_faces_model_answers_as_ours(base: Artifact) -> None:
    ids = torch.tensor([[2, 7, 8, 9, 3], [2, 10, 3, 0, 0]])
    mask = ids > 0
    with torch.inference_mode():
        theirs, ours = HuggingFace(base)(ids, mask), load_encoder(base)(ids, mask)
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=0)


def test_every_peer_answers_as_the_weights_do(
    base: Artifact,
    splits: Splits,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    without_model2vec: None,
) -> None:
    monkeypatch.setattr(peers, "instruction_sets", lambda: ("avx2", "avx512_bf16"))
    found = made_peers(base, splits, tmp_path)
    assert {s.variant: (s.runtime, s.batching, s.precision) for s in found.values()} == {
        PUBLISHED_PEER: (HUGGING_FACE, "maximum", "f32"),
        NATURAL: (HUGGING_FACE, "longest", "f32"),
        BF16: (HUGGING_FACE, "longest", "bf16"),
        COMPILED: (TORCH_COMPILE, "longest", "f32"),
        DYNAMIC: ("onnx_runtime", "longest", "f32"),
        OPENVINO: ("openvino_runtime", "longest", "f32"),
        NNCF: ("openvino_runtime", "longest", "f32"),
    }
    assert list(found) == [subject.variant for subject in found.values()]
    for subject in found.values():
        if subject.variant != COMPILED:  # which takes half a minute, and has a test of its own
            start, logits = ask(subject)
            assert (start.engine, start.precision) == (subject.runtime, subject.precision)
            assert_same_answers(subject, base, logits)
    for name in (DYNAMIC, NNCF):
        subject = found[name]
        assert subject.artifact is not None
        assert load_runtime(subject.runtime).count_products(subject.artifact).int8 > 0


def test_bf16_is_measured_where_the_cpu_has_it(
    base: Artifact, splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for has, sets in (
        (True, ("avx2", "avx512_bf16")),
        (True, ("amx_bf16",)),
        (False, ("avx2", "avx512_vnni")),
        (False, ()),
    ):
        monkeypatch.setattr(peers, "instruction_sets", lambda sets=sets: sets)
        names = [*list_peers(base, base, "student", splits, tmp_path)]
        assert (BF16 in names) == has, sets
        assert {PUBLISHED_PEER, NATURAL, COMPILED, DYNAMIC, OPENVINO, NNCF} <= {*names}


def test_the_page_on_the_benchmark_lists_all_peers(
    base: Artifact, splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "instruction_sets", lambda: ("amx_bf16",))
    monkeypatch.setattr(peers, "has_model2vec", lambda: True)
    page = Path(__file__).parents[2] / "docs" / "benchmark-and-promotion.md"
    table = page.read_text(encoding="utf-8").partition("| peer |")[2].partition("\n\n")[0]
    listed = [row.split("`")[1] for row in table.splitlines() if row.startswith("| `")]
    listed.remove(PUBLISHED_RECIPE)  # a study names its shape; it is not made of a teacher
    assert listed == [*list_peers(base, base, "<student>", splits, tmp_path)]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_model_answers_batches_of_every_size(
    base: Artifact, splits: Splits, tmp_path: Path
) -> None:
    subject = list_peers(base, base, "student", splits, tmp_path)[COMPILED]()
    start, logits = ask(subject)
    assert start.engine == TORCH_COMPILE
    assert_same_answers(subject, base, logits)


@pytest.mark.slow
def test_a_model_that_does_not_compile_costs_its_own_row(
    base: Artifact, splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "/nowhere/g++")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))  # nothing is compiled yet
    compiled = list_peers(base, base, "student", splits, tmp_path)[COMPILED]()
    subjects = [Subject("base", 1, "torch_eager", base), compiled]
    found = measure(subjects, splits, TIMING, parts={})
    assert [result.measurement.variant for result in found.results] == ["base"]
    assert [*found.failed] == [COMPILED]
    said = found.failed[COMPILED]
    assert said.startswith(f"benchmark: {COMPILED}: UserError: torch.compile: the code that it ")
    assert "No working C++ compiler" in said and "install a C++ compiler (g++, or" in said
    assert "\n" not in said


def test_peers_ask_once_for_all_texts_of_a_call(base: Artifact) -> None:
    classifier = load_huggingface(base, 1)
    shapes = []

    def infer(ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        shapes.append(ids.shape)
        return classifier.infer(ids, mask)

    spied, tokenizer = replace(classifier, infer=infer), load_tokenizer(base)
    one_batch_predictor(spied, tokenizer, base.manifest.max_length_tokens)(TEXTS)
    one_batch_predictor(spied, tokenizer, None)(TEXTS)
    assert shapes == [(3, 32), (3, 17)], "padded to the maximum length, and to the longest"


def test_layers_that_differ_are_refused_and_cost_the_student_alone(
    base: Artifact, splits: Splits, tmp_path: Path
) -> None:
    model = load_encoder(base)
    kept = [KeptParts.all(layer) for layer in model.layout.layers]
    uneven = prune_encoder(model, [KeptParts((0,), kept[0].neurons), *kept[1:]])
    artifact = save_encoder(tmp_path / "a", uneven, load_tokenizer(base), Identity.of(base), {})
    message = refusal(lambda: HuggingFace(artifact))
    assert message == (
        "Hugging Face's BERT has layers that are all alike, of whole heads, and not "
        "[(1, 48), (2, 48), (2, 48)] of width 32"
    )
    found = list_peers(base, artifact, "student", splits, tmp_path / "peers")
    for name in (DYNAMIC, OPENVINO, NNCF):
        assert refusal(found[name]) == message
    assert found[NATURAL]().artifact is base

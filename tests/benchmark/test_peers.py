"""The peers run the same weights: what is compared is how they are run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fincompress.artifact import Artifact
from fincompress.benchmark.huggingface import load_huggingface
from fincompress.benchmark.peers import export_peers
from fincompress.benchmark.process import HUGGING_FACE, MeasuredProcess, one_batch_predictor
from fincompress.compression.pruning import KeptParts, prune_encoder
from fincompress.evaluation.results import PUBLISHED_PEER
from fincompress.models.huggingface import HuggingFace
from fincompress.models.storage import Identity, load_encoder, save_encoder
from fincompress.models.tokenization import load_tokenizer
from fincompress.runtimes import load_runtime
from tests.support.projects import refusal

TEXTS = ["profit rose .", "the company fell and fell in the year .", "sales"]


def test_hugging_faces_model_answers_as_ours(base: Artifact) -> None:
    ids = torch.tensor([[2, 7, 8, 9, 3], [2, 10, 3, 0, 0]])
    mask = ids > 0
    with torch.inference_mode():
        theirs, ours = HuggingFace(base)(ids, mask), load_encoder(base)(ids, mask)
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=0)


def test_every_peer_answers_as_the_weights_do(base: Artifact, tmp_path: Path) -> None:
    expected = load_runtime("torch_eager").load(base, torch.get_num_threads())(TEXTS).argmax(1)
    found = export_peers(base, base, "student", tmp_path)
    assert [(s.variant, s.runtime, s.batching) for s in found] == [
        (PUBLISHED_PEER, HUGGING_FACE, "maximum"),
        ("student@ort_dynamic_int8", "onnx_runtime", "longest"),
        ("student@openvino_fp32", "openvino_runtime", "longest"),
    ]
    for subject in found:
        resident = MeasuredProcess(subject, 1)
        try:
            resident.prepare()
            assert resident.start(1, TEXTS[0]).precision == "f32"
            seconds, logits = resident.run([TEXTS])
            assert len(seconds) == 1 and seconds[0] > 0
            np.testing.assert_array_equal(logits.argmax(1), expected, err_msg=subject.variant)
            assert len(resident.forward([TEXTS, TEXTS[:1]])) == 2
        finally:
            resident.stop()
    dynamic = found[1].artifact
    assert dynamic is not None
    assert load_runtime("onnx_runtime").count_products(dynamic).int8 > 0


def test_peers_ask_once_for_all_texts_of_a_call(base: Artifact) -> None:
    classifier = load_huggingface(base, 1)
    shapes = []

    def infer(ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        shapes.append(ids.shape)
        return classifier.infer(ids, mask)

    spied = replace(classifier, infer=infer)
    one_batch_predictor(spied, base.manifest.max_length_tokens)(TEXTS)
    one_batch_predictor(spied, None)(TEXTS)
    assert shapes == [(3, 32), (3, 17)], "padded to the maximum length, and to the longest"


def test_layers_that_differ_are_refused(base: Artifact, tmp_path: Path) -> None:
    model = load_encoder(base)
    kept = [KeptParts.all(layer) for layer in model.layout.layers]
    uneven = prune_encoder(model, [KeptParts((0,), kept[0].neurons), *kept[1:]])
    artifact = save_encoder(tmp_path / "a", uneven, load_tokenizer(base), Identity.of(base), {})
    message = refusal(lambda: HuggingFace(artifact))
    assert message == (
        "Hugging Face's BERT has layers that are all alike, of whole heads, and not "
        "[(1, 48), (2, 48), (2, 48)] of width 32"
    )

"""The contract of a runtime, for every runtime: parity with torch, batches, odd inputs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fincompress.artifact import Artifact
from fincompress.models.storage import load_encoder
from fincompress.models.text import encode, load_tokenizer, pad
from fincompress.runtimes import load_runtime, runtime_names
from fincompress.spec import UserError

TEXTS = ["profit rose .", "sales", "the company fell and fell and fell again in the year .", ""]


@pytest.fixture(params=runtime_names())
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_answers_as_the_encoder_does(runtime: str, base: Artifact) -> None:
    ids, mask = pad(encode(load_tokenizer(base), TEXTS))
    with torch.inference_mode():
        expected = load_encoder(base)(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    answer = load_runtime(runtime).load(base, 1)(TEXTS)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_an_answer_does_not_depend_on_its_batch(runtime: str, base: Artifact) -> None:
    predict = load_runtime(runtime).load(base, 1)
    many = TEXTS * 20
    together = predict(many)
    alone = np.concatenate([predict([text]) for text in many])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_very_long_text_counts_up_to_the_maximum_length(runtime: str, base: Artifact) -> None:
    predict = load_runtime(runtime).load(base, 1)
    room = base.manifest.max_length_tokens - 2  # [CLS] and [SEP]
    cut, long = "profit " * room, "profit " * 10_000 + "fell"
    np.testing.assert_allclose(predict([long]), predict([cut]), atol=1e-6)


def test_no_text_gives_no_answer(runtime: str, base: Artifact) -> None:
    assert load_runtime(runtime).load(base, 1)([]).shape == (0, 3)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_honoured(runtime: str, base: Artifact, threads: int) -> None:
    before = torch.get_num_threads()
    try:
        load_runtime(runtime).load(base, threads)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_an_unknown_runtime_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown runtime 'torch_eagr'; did you mean 'torch_eager'"):
        load_runtime("torch_eagr")


def test_a_foreign_format_is_refused(base: Artifact, tmp_path: Path) -> None:
    from dataclasses import replace

    foreign = replace(base, manifest=replace(base.manifest, format="onnx"))
    with pytest.raises(UserError, match="format must be 'torch', not 'onnx'"):
        load_runtime("torch_eager").load(foreign, 1)

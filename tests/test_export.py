"""The graph with the inputs that tokenizers of Hugging Face give: the same logits for all masks."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from fincompress.artifact import Artifact
from fincompress.export import export, write_standard_inputs
from fincompress.runtimes import load_runtime
from tests.support.projects import refusal


@pytest.fixture(scope="module")
def exported(base: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return export(base, "onnx_runtime", tmp_path_factory.mktemp("artifacts") / "onnx")


def test_standard_inputs_are_two_arrays_of_int64(exported: Artifact, tmp_path: Path) -> None:
    write_standard_inputs(exported, tmp_path / "onnx" / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "onnx" / "model.onnx"))
    infer, random = load_runtime("onnx_runtime").load(exported, 1).infer, np.random.default_rng(0)
    for sentences, tokens in ((1, 1), (1, 32), (5, 9)):
        ids = random.integers(0, exported.manifest.layout.vocabulary, (sentences, tokens))
        mask = np.arange(tokens) < random.integers(1, tokens + 1, (sentences, 1))
        given = {"input_ids": ids, "attention_mask": mask.astype(np.int64)}
        np.testing.assert_allclose(session.run(["logits"], given)[0], infer(ids, mask), atol=1e-6)


def test_another_format_has_no_such_graph(base: Artifact, tmp_path: Path) -> None:
    assert "format must be 'onnx', not 'torch'" in refusal(
        lambda: write_standard_inputs(base, tmp_path / "model.onnx")
    )

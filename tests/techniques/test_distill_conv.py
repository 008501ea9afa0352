"""Convolutional distillation: what the student starts from, and what is stored."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fincompress.artifact import Artifact
from fincompress.build import build
from fincompress.data import Splits
from fincompress.models.storage import load_encoder
from fincompress.models.tokenization import PADDING, encode, load_tokenizer
from fincompress.runtimes import load_runtime
from fincompress.techniques import distill_conv
from tests.support.projects import Log
from tests.support.recipes import VARIANTS, recipe

CONV = VARIANTS["student_conv"]


@pytest.fixture(scope="module")
def built(
    splits: Splits, base: Artifact, student_base: Artifact, tmp_path_factory: pytest.TempPathFactory
) -> Artifact:
    out = tmp_path_factory.mktemp("conv") / "out"
    return build(recipe(CONV, splits, base, student_base), out, Log())


def test_its_tokenizer_is_the_teachers_and_its_table_has_what_was_read(
    built: Artifact, base: Artifact, splits: Splits
) -> None:
    assert load_tokenizer(built).to_str() == load_tokenizer(base).to_str()
    read = {i for row in encode(load_tokenizer(base), splits.learned.texts) for i in row}
    layout = built.manifest.layout
    assert layout.embeddings == len(read | {1}) + 1, "of the pieces read, [UNK], and padding"
    assert layout.vocabulary == base.manifest.layout.vocabulary
    assert (layout.layers, layout.width) == ((), base.manifest.layout.width), "no wider than it"
    assert [each.tokens for each in layout.convolutions] == [1, 2, 3, 5]
    assert layout.residual_convolutions == 2


def test_its_table_is_stored_in_int8(built: Artifact) -> None:
    graph = onnx.load(built.path / "model.onnx").graph
    arrays = [numpy_helper.to_array(constant) for constant in graph.initializer]
    layout = built.manifest.layout
    (table,) = [a for a in arrays if a.shape == (layout.embeddings, layout.width)]
    assert table.dtype == np.int8
    assert not table[0].any(), "padding has no embedding"


def test_what_it_has_never_read_counts_as_unknown(built: Artifact) -> None:
    predict = load_runtime(CONV.runtime).load(built, 1)
    np.testing.assert_allclose(predict(["profit \u20ac"]), predict(["profit \u4e2d"]), atol=1e-6)


def test_it_starts_from_the_principal_components_of_the_teachers_embeddings(
    splits: Splits, base: Artifact, student_base: Artifact
) -> None:
    made = recipe(CONV, splits, base, student_base)
    seen = {2, 3, 5, 8, 9}
    model = distill_conv._make_student(made.inputs, replace(made.config, width=4), seen)
    kept = [1, *sorted(seen)]
    words = load_encoder(base).words.weight.detach()[kept]
    centred = (words - words.mean(0)).numpy()
    start = model.words.weight.detach()[1:].numpy()
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    expected = np.abs(centred @ axes[:4].T)
    scale = distill_conv.EMBEDDING_STD / (centred @ axes[:4].T).std(ddof=1)
    np.testing.assert_allclose(np.abs(start), scale * expected, rtol=1e-3, atol=1e-4)
    assert spread[3] > 0
    assert not model.words.weight[0].any()
    rows = model.rows
    assert rows[PADDING] == 0 and rows[1] == 1
    assert rows[[4, 6, 7]].tolist() == [1, 1, 1], "the others have that of [UNK]"
    assert sorted(rows[kept].tolist()) == [1, 2, 3, 4, 5, 6]


def test_it_is_written_for_openvino_too(
    splits: Splits, base: Artifact, student_base: Artifact, built: Artifact, tmp_path: Path
) -> None:
    made = recipe(replace(CONV, runtime="openvino_runtime"), splits, base, student_base)
    written = build(made, tmp_path / "out", Log())
    assert written.manifest.format == "openvino"
    texts = splits.val.texts
    found, expected = (
        load_runtime(runtime).load(artifact, 1)(texts)
        for runtime, artifact in (("openvino_runtime", written), (CONV.runtime, built))
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_it_has_epochs_of_its_own(splits: Splits, base: Artifact, student_base: Artifact) -> None:
    made = recipe(CONV, splits, base, student_base)
    assert made.config.epochs == 6 != made.inputs.budget.epochs
    untrained = replace(made.inputs, shape_only=True)
    assert distill_conv.resolve(CONV.config, untrained).epochs == made.inputs.budget.epochs

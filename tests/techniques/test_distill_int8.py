"""The tiny student: what is taken away is gone for real, and what is left runs in INT8."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch

from fincompress.artifact import Artifact, LayerLayout, Products
from fincompress.build import build, plan
from fincompress.config import parse
from fincompress.data import Splits
from fincompress.models.encoder import Layer
from fincompress.models.storage import load_encoder
from fincompress.models.tokenization import encode, load_tokenizer
from fincompress.runtimes import load_runtime
from fincompress.techniques import Inputs
from fincompress.techniques.distill_int8 import Config, shrink_source
from fincompress.training.loop import Budget
from tests.support.projects import Log, refusal

RUNTIME = "onnx_runtime"


def inputs(splits: Splits, source: Artifact, epochs: int = 2) -> Inputs:
    return Inputs.of(
        splits, sources=(source,), teacher=source, pretrained=source, seed=1,
        budget=Budget(epochs=epochs, patience=epochs, batch_size=16),
        technique="distill_int8", runtime=RUNTIME,
    )  # fmt: skip


def config(**values: Any) -> Config:
    return parse(Config, values, "config")


def test_it_has_fewer_layers_neurons_pieces_and_positions_all_in_int8(
    splits: Splits, student_base: Artifact, tmp_path: Path
) -> None:
    log = Log()
    recipe = plan(
        inputs(splits, student_base),
        config(layers=2, ffn_ratio=0.5, int8_epochs=1, frequent_words=0),
        "d",
    )
    artifact = build(recipe, tmp_path / "tiny", log)
    made = artifact.manifest
    before, layout = student_base.manifest, made.layout
    assert layout.layers == (LayerLayout(heads=12, ffn=768),) * 2
    assert recipe.config.layer_map == (0, 3)
    assert layout.positions == made.max_length_tokens == 32 < before.layout.positions
    assert layout.vocabulary < before.layout.vocabulary
    counted = load_runtime(recipe.inputs.runtime).count_products(artifact)
    assert counted == Products(int8=10, total=10)
    assert [step for step, _ in log.steps] == [1, 2]
    assert made.metrics["best_epoch"] == 2, "of those in INT8"


def test_a_table_row_a_weight_and_no_more_than_a_byte_each(
    splits: Splits, student_base: Artifact, tmp_path: Path
) -> None:
    recipe = plan(inputs(splits, student_base, epochs=1), config(layers=1, ffn_ratio=0.75), "d")
    made = build(recipe, tmp_path / "tiny", Log())
    # Biases, norms, scales and the graph itself come on top of a byte for each parameter.
    assert made.manifest.parameters < made.size_mb * 1e6 < 1.25 * made.manifest.parameters


def test_the_most_important_neurons_of_the_named_layers_stay(
    splits: Splits, student_base: Artifact
) -> None:
    asked = inputs(splits, student_base)
    recipe = plan(asked, config(layers=2, layer_map=[1, 3], ffn_ratio=0.75), "d")
    model, tokenizer = shrink_source(asked, recipe.config)
    source = load_encoder(student_base)
    layers = cast(list[Layer], list(source.layers))
    for ours, theirs in zip(cast(list[Layer], list(model.layers)), layers[1::2], strict=True):
        torch.testing.assert_close(ours.attention.qkv.weight, theirs.attention.qkv.weight)
        rows = ours.up.weight[:, None].eq(theirs.up.weight).all(-1)  # (384, 1536)
        assert rows.sum(1).tolist() == [1] * 384, "each is one of the source's, in its order"
        places = rows.int().argmax(1)
        torch.testing.assert_close(ours.down.weight, theirs.down.weight[:, places])
    words = load_tokenizer(student_base)
    for text in splits.train.texts:
        (new,), (old,) = encode(tokenizer, [text]), encode(words, [text])
        torch.testing.assert_close(model.words.weight[new], source.words.weight[old])


def test_with_nothing_taken_away_it_answers_as_its_source(
    splits: Splits, student_base: Artifact
) -> None:
    asked = inputs(splits, student_base)
    recipe = plan(asked, config(ffn_ratio=0), "d")
    model, tokenizer = shrink_source(asked, recipe.config)
    ids = torch.tensor(encode(tokenizer, [splits.train.texts[0]]))
    mask = torch.ones_like(ids, dtype=torch.bool)
    with torch.inference_mode():
        expected = load_encoder(student_base)(ids, mask)
        torch.testing.assert_close(model.eval()(ids, mask), expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"layers": 5}, "config.layers: must be at most the 4 of the source, not 5"),
        ({"layers": 2, "layer_map": [0, 4]},
         "config.layer_map: must name 2 layers, each from 0 to 3, not [0, 4]"),
    ],
)  # fmt: skip
def test_what_the_source_does_not_have_is_refused(
    values: dict[str, Any], message: str, splits: Splits, student_base: Artifact
) -> None:
    assert refusal(lambda: plan(inputs(splits, student_base), config(**values), "d")) == message

"""A folder that is no whole BERT encoder is refused, with its place and what is wrong."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fincompress.artifact import TOKENIZER
from fincompress.models.checkpoint import PICKLE
from fincompress.models.storage import WEIGHTS
from tests.support.checkpoints import configure, imported, rewrite
from tests.support.projects import refusal


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "roberta"}, "model_type must be 'bert', not 'roberta'"),
        ({"hidden_act": "relu"}, "hidden_act must be 'gelu', not 'relu'"),
        ({"is_decoder": True}, "is_decoder must be False, not True"),
        (
            {"position_embedding_type": "relative_key"},
            "position_embedding_type must be 'absolute', not 'relative_key'",
        ),
    ],
)
def test_a_model_that_is_no_bert_encoder_is_refused(
    mine: Path, changes: dict[str, object], message: str
) -> None:
    configure(mine, **changes)
    assert refusal(lambda: imported(mine)) == (
        f"{mine}/config.json: {message}: the base must be a BERT encoder"
    )


def test_a_config_without_a_model_type_is_refused(mine: Path) -> None:
    configure(mine, "model_type")
    assert "config.json: model_type must be 'bert', not None" in refusal(lambda: imported(mine))


def test_a_missing_size_is_named(mine: Path) -> None:
    configure(mine, "hidden_size")
    assert refusal(lambda: imported(mine)) == f"{mine}/config.json: missing key 'hidden_size'"


def test_a_folder_without_config_is_no_model_folder(mine: Path) -> None:
    (mine / "config.json").unlink()
    assert refusal(lambda: imported(mine)).startswith(f"{mine}: is not a model folder: ")


def test_a_broken_config_is_no_model_folder(mine: Path) -> None:
    (mine / "config.json").write_text("{")
    assert refusal(lambda: imported(mine)).startswith(f"{mine}: is not a model folder: ")


def test_a_folder_without_tokenizer_is_refused(mine: Path) -> None:
    (mine / "vocab.txt").unlink()
    assert refusal(lambda: imported(mine)) == f"{mine}: has neither tokenizer.json nor vocab.txt"


def test_a_folder_without_weights_is_refused(mine: Path) -> None:
    (mine / WEIGHTS).unlink()
    assert refusal(lambda: imported(mine)) == (
        f"{mine}: has neither model.safetensors nor pytorch_model.bin"
    )


@pytest.mark.parametrize("share", [0.01, 0.5])
@pytest.mark.parametrize("name", [WEIGHTS, PICKLE])
def test_a_truncated_weights_file_cannot_be_read(mine: Path, name: str, share: float) -> None:
    if name == PICKLE:
        torch.save(load_file(mine / WEIGHTS), mine / PICKLE)
        (mine / WEIGHTS).unlink()
    content = (mine / name).read_bytes()
    (mine / name).write_bytes(content[: int(share * len(content))])
    message = refusal(lambda: imported(mine))
    assert message.startswith(f"{mine / name}: cannot be read: ")
    assert "\n" not in message


def test_a_missing_layer_is_named(mine: Path) -> None:
    configure(mine, num_hidden_layers=3)
    assert refusal(lambda: imported(mine)) == (
        f"{mine}: the weights lack 'encoder.layer.2.attention.self.query.weight': no BERT encoder"
    )


def test_weights_of_another_shape_are_refused(mine: Path) -> None:
    configure(mine, intermediate_size=41)
    message = refusal(lambda: imported(mine))
    assert message.startswith(f"{mine}: the weights are no BERT encoder: ")
    assert "size mismatch for layers.0.up.weight" in message


def test_a_missing_weight_is_refused(mine: Path) -> None:
    missing = "bert.encoder.layer.1.output.LayerNorm.bias"
    rewrite(mine, lambda name, tensor: None if name == missing else (name, tensor))
    message = refusal(lambda: imported(mine))
    assert message.startswith(f"{mine}: the weights are no BERT encoder: ")
    assert "layers.1.ffn_norm.bias" in message


def test_sentences_may_fill_all_positions_and_no_more(mine: Path) -> None:
    assert imported(mine, max_length=64).manifest.max_length_tokens == 64
    assert refusal(lambda: imported(mine, max_length=65)) == (
        f"max_length_tokens: {mine} has 64 positions, not 65"
    )


def test_a_refused_import_leaves_nothing(mine: Path) -> None:
    configure(mine, intermediate_size=41)
    refusal(lambda: imported(mine))
    assert list(mine.parent.iterdir()) == [mine]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps must be 1e-12, not 1e-05"),
        ({"hidden_size": "24"}, "hidden_size: input should be a valid integer, not '24'"),
        ({"num_attention_heads": 0}, "num_attention_heads: input should be greater than or equal"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(
    mine: Path, change: dict[str, object], message: str
) -> None:
    configure(mine, **change)
    assert message in refusal(lambda: imported(mine))


def test_a_broken_tokenizer_is_refused(mine: Path) -> None:
    (mine / TOKENIZER).write_text("{")
    assert "the tokenizer cannot be read" in refusal(lambda: imported(mine))


def test_a_config_that_is_a_list_is_refused(mine: Path) -> None:
    (mine / "config.json").write_text("[]")
    assert "must hold a mapping, not list" in refusal(lambda: imported(mine))


def test_a_tokenizer_with_more_pieces_than_the_model_is_refused(mine: Path) -> None:
    with (mine / "vocab.txt").open("a") as vocabulary:
        vocabulary.write("stranger\n")
    message = refusal(lambda: imported(mine))
    assert "the tokenizer has 76 pieces, more than the 75 of the model" in message

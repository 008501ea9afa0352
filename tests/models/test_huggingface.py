"""Hugging Face's form of an artifact: the same ids, the same logits, and the labels' names."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from fincompress.artifact import Artifact, ConvolutionLayout, LayerLayout
from fincompress.models.checkpoint import Base, import_checkpoint
from fincompress.models.huggingface import fits_bert, save_huggingface, save_tokenizer
from fincompress.models.storage import load_encoder
from fincompress.models.tokenization import HARD_TEXTS, encode, load_tokenizer, pad
from tests.support.projects import refusal


@pytest.fixture
def artifact(finbert: Path, tmp_path: Path) -> Artifact:
    """Its every weight matters, and its token types, too."""
    return import_checkpoint(Base(folder=str(finbert)), 16, 0, tmp_path / "artifact")


def like(artifact: Artifact, **changed: object) -> Artifact:
    layout = replace(artifact.manifest.layout, **changed)  # type: ignore[arg-type]
    return replace(artifact, manifest=replace(artifact.manifest, layout=layout))


def test_the_tokenizer_gives_the_ids_of_the_artifacts_own(
    artifact: Artifact, tmp_path: Path
) -> None:
    save_tokenizer(artifact, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    encoded = tokenizer(list(HARD_TEXTS), truncation=True)
    assert encoded["input_ids"] == encode(load_tokenizer(artifact), HARD_TEXTS)
    assert list(encoded) == ["input_ids", "attention_mask"]
    assert (tokenizer.model_max_length, tokenizer.pad_token_id) == (16, 0)
    assert (tokenizer.cls_token, tokenizer.unk_token) == ("[CLS]", "[UNK]")


def test_the_model_gives_the_logits_of_the_encoder(artifact: Artifact, tmp_path: Path) -> None:
    save_huggingface(artifact, tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    ids, mask = (
        torch.from_numpy(array) for array in pad(encode(load_tokenizer(artifact), HARD_TEXTS))
    )
    with torch.inference_mode():
        expected = load_encoder(artifact)(ids, mask).numpy()
        logits = model(input_ids=ids, attention_mask=mask.long()).logits.numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    config = AutoConfig.from_pretrained(tmp_path)
    assert config.architectures == ["BertForSequenceClassification"]
    assert config.id2label == {0: "negative", 1: "neutral", 2: "positive"}


def test_layers_that_differ_or_lack_heads_do_not_fit(artifact: Artifact, tmp_path: Path) -> None:
    first, *others = artifact.manifest.layout.layers
    thin = LayerLayout(heads=first.heads - 1, ffn=first.ffn)
    assert fits_bert(artifact.manifest.layout)
    for layers in ((thin, *others), (thin,) * 2):
        other = like(artifact, layers=layers)
        assert not fits_bert(other.manifest.layout)
        assert "BERT has layers that are all alike" in refusal(
            lambda other=other: save_huggingface(other, tmp_path)  # type: ignore[misc]
        )
        assert not list(tmp_path.glob("*.json"))


def test_the_config_of_a_model_without_layers_names_its_labels(
    artifact: Artifact, tmp_path: Path
) -> None:
    convolutions = (ConvolutionLayout(tokens=3, filters=8),)
    save_tokenizer(like(artifact, layers=(), convolutions=convolutions), tmp_path)
    assert (tmp_path / "config.json").read_text().splitlines()[1:3] == [
        '  "id2label": {', '    "0": "negative",'
    ]  # fmt: skip
    assert "hidden_size" not in (tmp_path / "config.json").read_text()
    encoded = AutoTokenizer.from_pretrained(tmp_path)(list(HARD_TEXTS), truncation=True)
    assert encoded["input_ids"] == encode(load_tokenizer(artifact), HARD_TEXTS)

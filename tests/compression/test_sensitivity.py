"""Which layer INT8 hurts is found, and what it may cost is bounded."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from fincompress.artifact import Artifact
from fincompress.callbacks import Heatmap
from fincompress.compression import quantization as quantization
from fincompress.compression.quantization import quantize_encoder, rounding_only
from fincompress.compression.sensitivity import SENSITIVITY_SENTENCES, layer_sensitivities
from fincompress.config import parse
from fincompress.data import Splits
from fincompress.export import WRITERS, Writer, save_graph
from fincompress.models.checkpoint import Base, import_checkpoint
from fincompress.models.encoder import Encoder
from fincompress.models.storage import Identity, load_encoder, save_encoder
from fincompress.models.tokenization import encode, load_tokenizer
from fincompress.runtimes import load_runtime, torch_eager
from fincompress.techniques import Inputs, quantize_post_training
from fincompress.techniques.quantize_post_training import Config, compress
from fincompress.training.batches import EncodedSentences
from fincompress.training.loop import Budget
from tests.support.projects import Log, refusal, tiny_sentences

LINEARS = ("attention.qkv", "attention.out", "up", "down")
NAMES = [
    "embeddings",
    *(f"layer {layer} {linear}" for layer in (1, 2) for linear in LINEARS),
    "pooler",
    "classifier",
]
OUTLIER = 1000.0  # beside weights of 0.3
WAYS = (
    ("onnx_runtime", "static"),
    ("onnx_runtime", "dynamic"),
    pytest.param("openvino_runtime", "static", marks=pytest.mark.slow),
)


@pytest.fixture(scope="module")
def source(finbert: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A model whose every layer matters to its answers."""
    out = tmp_path_factory.mktemp("lively") / "source"
    return import_checkpoint(Base(folder=str(finbert)), 32, 0, out)


@pytest.fixture
def data(source: Artifact) -> EncodedSentences:
    texts = [text for text, _ in tiny_sentences()]
    return EncodedSentences(encode(load_tokenizer(source), texts), (0,) * len(texts))


@pytest.fixture
def fragile(source: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The source with outliers in the second layer's `up`."""
    model = with_outlier(load_encoder(source), "layers.1.up", "layers.1.attention_norm")
    out = tmp_path_factory.mktemp("fragile") / "source"
    return save_encoder(out, model, load_tokenizer(source), Identity.of(source), {})


def with_outlier(model: Encoder, path: str, before: str) -> Encoder:
    """A column of `path` that takes all steps from the others. Its input, by `before`, is zero, so
    that it changes nothing in FP32.
    """
    layer, feeding = model.get_submodule(path), model.get_submodule(before)
    with torch.no_grad():
        for parameter in feeding.parameters():
            parameter[0] = 0.0
        cast(nn.Linear, layer).weight[:, 0] = OUTLIER
    return model


def learner(model: Encoder, data: EncodedSentences) -> Encoder:
    return quantize_encoder(model, data.batches())


def test_only_the_named_modules_round_and_all_do_again_afterwards(
    source: Artifact, data: EncodedSentences
) -> None:
    fp32 = load_encoder(source).eval()
    model = learner(fp32, data)
    (batch,) = data.batches()
    with torch.no_grad():
        exact, rounded = fp32(*batch), model(*batch)
        with rounding_only(model, []):
            assert torch.equal(model(*batch), exact)
        with rounding_only(model, ["layers.0.up"]):
            partly = model(*batch)
        assert torch.equal(model(*batch), rounded)
    assert not torch.equal(partly, exact) and not torch.equal(partly, rounded)


def test_a_name_that_no_module_has_is_an_error(source: Artifact, data: EncodedSentences) -> None:
    model = learner(load_encoder(source), data)
    with pytest.raises(KeyError, match=r"layers\.9\.up"), rounding_only(model, ["layers.9.up"]):
        pass
    assert all(getattr(module, "rounding", True) for module in model.modules())


def test_every_linear_layer_and_the_tables_are_named_once_in_order(
    source: Artifact, data: EncodedSentences
) -> None:
    found = layer_sensitivities(learner(load_encoder(source), data), data)
    assert [each.name for each in found] == NAMES
    assert all(each.kl > 0 for each in found)
    assert all(0 <= each.changed <= 1 for each in found)


def test_what_does_not_round_diverges_nowhere(
    source: Artifact, data: EncodedSentences, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exact(x: Tensor, *grid: object) -> Tensor:
        return x

    model = learner(load_encoder(source), data)
    monkeypatch.setattr(quantization, "fake_quantize", exact)
    assert {(each.kl, each.changed) for each in layer_sensitivities(model, data)} == {(0.0, 0.0)}


def test_only_so_many_sentences_are_answered(source: Artifact, data: EncodedSentences) -> None:
    many = EncodedSentences(data.ids * 3, data.labels * 3)
    few = EncodedSentences(many.ids[:SENSITIVITY_SENTENCES], many.labels[:SENSITIVITY_SENTENCES])
    assert len(few.ids) < len(many.ids)
    model = learner(load_encoder(source), data)
    assert layer_sensitivities(model, many) == layer_sensitivities(model, few)
    assert {each.sentences for each in layer_sensitivities(model, data)} == {len(data.ids)}


@pytest.mark.parametrize(
    ("path", "before", "name"),
    [
        ("layers.1.attention.qkv", "layers.0.ffn_norm", "layer 2 attention.qkv"),
        ("layers.1.up", "layers.1.attention_norm", "layer 2 up"),
        ("layers.1.down", "layers.1.up", "layer 2 down"),
        ("pooler", "layers.1.ffn_norm", "pooler"),
    ],
)
def test_a_layer_whose_outlier_takes_all_steps_is_the_most_sensitive(
    path: str, before: str, name: str, source: Artifact, data: EncodedSentences
) -> None:
    found = layer_sensitivities(
        learner(with_outlier(load_encoder(source), path, before), data), data
    )
    assert max(found, key=lambda each: each.kl).name == name


@pytest.mark.parametrize(("runtime", "method"), WAYS)
def test_each_way_to_int8_shows_and_records_the_same_sensitivity(
    runtime: str, method: str, fragile: Artifact, splits: Splits, tmp_path: Path
) -> None:
    log = Log()
    config = parse(Config, {"method": method, "max_f1_drop": 0.99}, "x")
    compress(inputs(splits, fragile, runtime), config, tmp_path / "int8", log)
    heatmap = log.figures["sensitivity"]
    assert isinstance(heatmap, Heatmap) and heatmap.x.endswith(", ".join(LINEARS))
    widths = {name: len(row) for name, row in heatmap.rows.items()}
    layers = {f"layer {number}": 4 for number in (1, 2)}
    assert widths == {"embeddings": 1, **layers, "pooler": 1, "classifier": 1}
    record = log.records["sensitivity"]
    assert record["sentences"] == len(splits.train)
    ranked = record["layers"]
    assert ranked[0]["name"] == "layer 2 up"
    assert sorted(each["name"] for each in ranked) == sorted(NAMES)
    divergences = [each["kl"] for each in ranked]
    assert divergences == sorted(divergences, reverse=True)
    assert heatmap.rows["layer 2"][2] == divergences[0]


@pytest.mark.parametrize(("runtime", "method"), WAYS)
def test_int8_that_loses_too_much_is_refused_and_leaves_nothing(
    runtime: str, method: str, fragile: Artifact, splits: Splits, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    spoil(monkeypatch)
    made = inputs(agreeing(splits, fragile), fragile, runtime)
    log, out = Log(), tmp_path / "int8"
    config = parse(Config, {"method": method}, "x")
    better = "method 'static'" if method == "dynamic" else "more calibration_sentences"
    assert refusal(lambda: compress(made, config, out, log)) == (
        "config.max_f1_drop: INT8 loses 0.3333 of validation macro-F1 (0.3333 to 0.0000), at most "
        f"0.02 is allowed; most sensitive: layer 2 up; raise it, use {better}, or train for INT8 "
        "(technique quantize_aware)"
    )
    assert list(tmp_path.iterdir()) == []
    assert "sensitivity" in log.records, "what was refused can be looked into"
    artifact = compress(made, replace(config, max_f1_drop=0.99), out, Log())
    assert artifact.path == out and out.is_dir()


def inputs(splits: Splits, source: Artifact, runtime: str) -> Inputs:
    return Inputs.of(
        splits, sources=(source,), teacher=source, pretrained=source, seed=1,
        budget=Budget(epochs=1, patience=1), technique="quantize_post_training", runtime=runtime,
    )  # fmt: skip


def agreeing(splits: Splits, source: Artifact) -> Splits:
    """The splits with the validation labels that the source gives: all the same."""
    answers = torch_eager.load(source, torch.get_num_threads())(splits.val.texts).argmax(1)
    assert len(set(answers)) == 1, "macro-F1 is a third"
    return replace(splits, val=replace(splits.val, labels=tuple(answers.tolist())))


def spoil(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every graph be one that gives another label than its source, to whatever text."""

    def other(
        out: Path, write: Writer, like: Artifact, identity: Identity, runtime: str, **rest: object
    ) -> Artifact:
        model = load_encoder(like)
        with torch.no_grad():
            model.classifier.weight.neg_()
            model.classifier.bias.neg_()
        written = WRITERS[load_runtime(runtime).FORMAT](model)
        return save_graph(out, written, like, identity, runtime)

    monkeypatch.setattr(quantize_post_training, "save_graph", other)

"""Structured pruning: what is cut is gone, what is kept is untouched, and the least goes first."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import pytest
import torch

from fincompress.artifact import Artifact, LayerLayout, read_artifact
from fincompress.build import build, plan
from fincompress.callbacks import Chart, Heatmap
from fincompress.compression.importance import entropy_importance, taylor_importance
from fincompress.compression.pruning import (
    EncoderSize,
    Importance,
    KeptParts,
    most_important,
    prune_encoder,
    sizes_between,
)
from fincompress.data import Splits
from fincompress.models.encoder import Encoder, Layer, parameter_count
from fincompress.models.storage import load_encoder
from fincompress.models.tokenization import encode, load_tokenizer
from fincompress.techniques import Inputs
from fincompress.techniques.prune_structured import Config
from fincompress.training.batches import EncodedSentences, padded_tensors
from fincompress.training.loop import Budget
from tests.support.projects import Log, refusal, tiny_sentences

WIDTH, HEAD_WIDTH = 32, 16


@pytest.fixture
def model(base: Artifact) -> Encoder:
    """Three layers of two heads and 48 neurons, with weights large enough to tell apart."""
    model = load_encoder(base)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture
def batch(base: Artifact) -> tuple[torch.Tensor, torch.Tensor]:
    texts = [text for text, _ in tiny_sentences()[:9]] + ["profit and sales and orders rose ."]
    return padded_tensors(encode(load_tokenizer(base), texts))


def kept_all(model: Encoder) -> list[KeptParts]:
    return [KeptParts.all(layer) for layer in model.layout.layers]


def test_pruning_nothing_leaves_logits_equal(
    model: Encoder, batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    same = prune_encoder(model, kept_all(model))
    assert same.layout == model.layout
    with torch.no_grad():
        assert torch.equal(same(*batch), model(*batch))


def test_cutting_removes_exactly_the_parameters_of_what_is_cut(model: Encoder) -> None:
    before = parameter_count(model)
    first, *rest = kept_all(model)
    fewer_heads = prune_encoder(model, [replace(first, heads=(1,)), *rest])
    per_head = 3 * HEAD_WIDTH * (WIDTH + 1) + HEAD_WIDTH * WIDTH  # q, k, v with bias; output
    assert before - parameter_count(fewer_heads) == per_head
    fewer_neurons = prune_encoder(model, [*rest, replace(first, neurons=tuple(range(16)))])
    assert before - parameter_count(fewer_neurons) == 32 * (WIDTH + 1 + WIDTH)
    assert all(parameter.requires_grad for parameter in fewer_heads.parameters())


def test_what_is_cut_answers_as_if_its_output_were_zero(
    model: Encoder, batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    heads, neurons = (1,), tuple(range(0, 48, 3))
    first, second, third = kept_all(model)
    smaller = prune_encoder(model, [first, KeptParts(heads, neurons), third])
    state = model.state_dict()
    state["layers.1.attention.out.weight"][:, :HEAD_WIDTH] = 0
    gone = [n for n in second.neurons if n not in neurons]
    state["layers.1.down.weight"][:, gone] = 0
    with torch.no_grad():
        torch.testing.assert_close(smaller(*batch), model(*batch), atol=1e-5, rtol=1e-5)


def test_a_cut_after_a_cut_names_places_of_the_first_model() -> None:
    whole = KeptParts.all(LayerLayout(heads=4, ffn=8))
    first = KeptParts((0, 2, 3), (1, 3, 5, 7))
    assert whole.then(first) == first
    assert first.then(KeptParts((1, 2), (0, 3))) == KeptParts((2, 3), (1, 7))


def test_the_least_important_of_all_layers_go_first() -> None:
    importance = Importance(
        heads=[torch.tensor([9.0, 8.0, 7.0]), torch.tensor([1.0, 3.0, 2.0])],
        neurons=[torch.arange(8.0), torch.tensor([9.0, 9.0, 0.0, 0.0, 9.0, 9.0, 0.0, 0.0])],
    )
    kept = most_important(importance, EncoderSize(heads=4, blocks=2), block=4)
    assert kept == [KeptParts((0, 1, 2), (4, 5, 6, 7)), KeptParts((1,), (0, 1, 4, 5))]


def test_every_layer_keeps_a_head_and_a_block() -> None:
    importance = Importance(
        heads=[torch.tensor([5.0, 4.0]), torch.zeros(2)],
        neurons=[torch.ones(4), torch.zeros(4)],
    )
    kept = most_important(importance, EncoderSize(heads=2, blocks=2), block=2)
    assert [len(k.heads) for k in kept] == [1, 1]
    assert [len(k.neurons) for k in kept] == [2, 2]


def test_sizes_go_to_the_end_in_equal_steps() -> None:
    start, end = EncoderSize(72, 144), EncoderSize(50, 101)
    assert sizes_between(start, end, 3) == [EncoderSize(65, 130), EncoderSize(57, 115), end]
    assert sizes_between(start, start, 3) == []
    assert sizes_between(EncoderSize(6, 9), EncoderSize(5, 9), 4) == [EncoderSize(5, 9)], (
        "no step cuts nothing"
    )
    assert start.without(0.5, 0.25) == EncoderSize(36, 108)


def test_taylor_is_the_slope_of_the_loss_when_a_part_is_scaled(
    model: Encoder, base: Artifact
) -> None:
    text, label = "profit rose .", 2
    data = EncodedSentences(encode(load_tokenizer(base), [text]), (label,))
    scores = taylor_importance(model, data)
    ids, mask = padded_tensors(data.ids)

    def slope(weight: str, columns: slice) -> float:
        def loss(factor: float) -> float:
            state = {name: value.clone() for name, value in model.state_dict().items()}
            state[weight][:, columns] *= factor
            twin = prune_encoder(model, kept_all(model))
            twin.load_state_dict(state)
            with torch.no_grad():
                logits = twin(ids, mask).double()
            return float(torch.nn.functional.cross_entropy(logits, torch.tensor([label])))

        return (loss(1.01) - loss(0.99)) / 0.02

    head = slope("layers.1.attention.out.weight", slice(HEAD_WIDTH, None))
    assert float(scores.heads[1][1]) == pytest.approx(abs(head), rel=0.02, abs=1e-4)
    strongest = int(scores.neurons[2].argmax())
    neuron = slope("layers.2.down.weight", slice(strongest, strongest + 1))
    assert float(scores.neurons[2][strongest]) == pytest.approx(abs(neuron), rel=0.02, abs=1e-4)
    assert all(p.grad is None for p in model.parameters())


def test_entropy_scores_focus_one_and_even_attention_zero(model: Encoder, base: Artifact) -> None:
    even, focused, _ = cast(list[Layer], list(model.layers))
    ids = encode(load_tokenizer(base), ["profit rose .", "sales and orders fell ."])
    with torch.no_grad():
        even.attention.qkv.weight.zero_()
        even.attention.qkv.bias.zero_()
        # Queries and keys a thousand times as large: each token looks at one alone.
        focused.attention.qkv.weight[: 2 * WIDTH] *= 1000
        focused.attention.qkv.bias[: 2 * WIDTH] *= 1000
    scores = entropy_importance(model, EncodedSentences(ids, (0, 1)))
    assert scores.heads[0].tolist() == pytest.approx([0, 0], abs=1e-4)
    assert scores.heads[1].tolist() == pytest.approx([1, 1], abs=0.05)
    expected = focused.up.weight[3].norm() * focused.down.weight[:, 3].norm()
    torch.testing.assert_close(scores.neurons[1][3], expected.detach())


def inputs(splits: Splits, teacher: Artifact, source: Artifact) -> Inputs:
    return Inputs.of(
        splits, sources=(source,), teacher=teacher, pretrained=teacher, seed=1,
        budget=Budget(epochs=3, patience=3, batch_size=8),
        technique="prune_structured", runtime="torch_eager",
    )  # fmt: skip


def pruned(share: float, **rest: Any) -> Config:
    return Config(heads_ratio=share, ffn_ratio=share, **rest)


@pytest.mark.parametrize("importance", ["taylor", "entropy"])
def test_a_step_after_a_step_reaches_the_ratio_and_tells_what_it_cut(
    importance: Literal["taylor", "entropy"], splits: Splits, base: Artifact, tmp_path: Path
) -> None:
    log = Log()
    config = pruned(1 / 3, steps=2, scoring_sentences=9, importance=importance)
    third = build(plan(inputs(splits, base, base), config, "d"), tmp_path / "third", log)

    layers = third.manifest.layout.layers
    assert sum(layer.heads for layer in layers) == 4  # of 6
    assert sum(layer.ffn for layer in layers) == 96  # of 144
    assert all(layer.heads >= 1 and layer.ffn % 16 == 0 for layer in layers)
    assert third.size_mb < base.size_mb
    assert [step for step, _ in log.steps] == [1, 2, 3], "the study's epochs and no more"
    curve = log.figures["pruning_curve"]
    assert isinstance(curve, Chart)
    shares = [share for share, _ in curve.lines["recovered"]]
    assert shares == pytest.approx([0, (1 / 6 + 2 / 9) / 2, 1 / 3])  # of six heads and nine blocks
    assert curve.right["parameters"][-1][1] == third.manifest.parameters / 1e6
    heat = log.figures["importance_step_1"]
    assert isinstance(heat, Heatmap)
    assert [len(row) for row in heat.rows.values()] == [2, 2, 2]
    cuts = json.loads(json.dumps(log.records["cut_map"]))
    assert sum(len(layer["heads_cut"]) for layer in cuts.values()) == 2
    assert sum(len(layer["neurons_cut"]) for layer in cuts.values()) == 48

    half = build(
        plan(inputs(splits, base, third), replace(config, heads_ratio=0.5, ffn_ratio=0.5), "d"),
        tmp_path / "half",
        Log(),
    )
    assert sum(layer.heads for layer in half.manifest.layout.layers) == 3
    alone = load_encoder(read_artifact(half.path))
    assert parameter_count(alone) == half.manifest.parameters < third.manifest.parameters


def test_a_ratio_that_is_reached_already_changes_nothing(
    splits: Splits, base: Artifact, tmp_path: Path
) -> None:
    same = build(plan(inputs(splits, base, base), pruned(0), "d"), tmp_path / "same", Log())
    assert same.manifest.files["model.safetensors"] == base.manifest.files["model.safetensors"]


def test_ratios_that_cannot_be_are_refused_before_anything_runs(
    splits: Splits, base: Artifact
) -> None:
    made = inputs(splits, base, base)
    message = refusal(lambda: plan(made, pruned(0.9), "d"))
    assert message == ("config.heads_ratio: 0.9 leaves 1 heads to 3 layers; each must keep one")
    message = refusal(lambda: plan(made, replace(pruned(0.9), heads_ratio=0.0), "d"))
    assert message == (
        "config.ffn_ratio: 0.9 leaves 1 blocks of 16 neurons to 3 layers; each must keep one"
    )
    stranger = replace(
        base, manifest=replace(base.manifest, layout=replace(base.manifest.layout, width=48))
    )
    message = refusal(lambda: plan(inputs(splits, base, stranger), pruned(0.3), "d"))
    assert message == (
        "source: must be the teacher or have been pruned from it: 3 layers of width 32 with heads "
        "of 16, not 3 of 48 with heads of 16"
    )
    shape = LayerLayout(heads=1, ffn=16)
    layout = replace(base.manifest.layout, layers=(shape,) * 3)
    source = replace(base, manifest=replace(base.manifest, layout=layout))
    message = refusal(lambda: plan(inputs(splits, base, source), pruned(0.3), "d"))
    assert message == (
        "config.heads_ratio: the source has lost 0.5000 of its teacher already; must be at least "
        "that, not 0.3"
    )


def test_blocks_of_neurons_divide_every_width(splits: Splits, base: Artifact) -> None:
    resolved = plan(inputs(splits, base, base), pruned(0.3), "d").config
    assert resolved.ffn_multiple == math.gcd(64, 48)

"""The encoder: layers of unlike shape, padding without influence, and an exact round trip."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fincompress.artifact import Artifact, LayerLayout, Layout
from fincompress.config import UserError
from fincompress.models.encoder import Encoder, initialise, parameter_count
from fincompress.models.storage import Identity, load_encoder, save_encoder
from tests.support.projects import tiny_tokenizer

UNEVEN = Layout(
    vocabulary=75,
    positions=16,
    width=12,
    head_width=5,  # not the width divided by any count of heads
    layers=(
        LayerLayout(heads=3, ffn=20),
        LayerLayout(heads=1, ffn=7),
        LayerLayout(heads=2, ffn=1),
    ),
    labels=3,
)
IDENTITY = Identity("finetune", "0123456789abcdef", ("a", "b", "c"), 16, ())


def encoder(layout: Layout = UNEVEN) -> Encoder:
    """An encoder whose every parameter matters: none is zero or one."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = Encoder(layout)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
    return model.eval()


def batch(*lengths: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(4)
    ids = torch.randint(1, UNEVEN.vocabulary, (len(lengths), max(lengths)), generator=draw)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return ids * mask, mask


@torch.no_grad()
def test_layers_may_differ_in_heads_and_ffn() -> None:
    seen = encoder().trace(*batch(9, 4))
    assert seen.logits.shape == (2, 3)
    assert [tuple(hidden.shape) for hidden in seen.hidden] == [(2, 9, 12)] * 3
    assert [tuple(probabilities.shape) for probabilities in seen.attention] == [
        (2, 3, 9, 9),
        (2, 1, 9, 9),
        (2, 2, 9, 9),
    ]


@torch.no_grad()
def test_trace_gives_the_logits_of_forward() -> None:
    model = encoder()
    ids, mask = batch(9, 4, 1)
    torch.testing.assert_close(
        model.trace(ids, mask).logits, model(ids, mask), atol=1e-5, rtol=1e-5
    )


@torch.no_grad()
def test_the_last_hidden_state_decides_the_logits() -> None:
    model = encoder()
    seen = model.trace(*batch(9, 4))
    pooled = torch.tanh(model.pooler(seen.hidden[-1][:, 0]))
    torch.testing.assert_close(model.classifier(pooled), seen.logits)


@torch.no_grad()
def test_attention_rows_sum_to_one_and_give_nothing_to_padding() -> None:
    ids, mask = batch(9, 4, 1)
    for probabilities in encoder().trace(ids, mask).attention:
        torch.testing.assert_close(probabilities.sum(-1), torch.ones(probabilities.shape[:-1]))
        to_padding = probabilities.masked_select(~mask[:, None, None, :])
        assert to_padding.count_nonzero() == 0
        assert (probabilities[2, :, :, 0] == 1).all()


@torch.no_grad()
@pytest.mark.parametrize("traced", [False, True])
def test_logits_do_not_depend_on_the_padding_of_the_batch(traced: bool) -> None:
    model = encoder()
    ids, mask = batch(9, 4, 1)
    run = (lambda *x: model.trace(*x).logits) if traced else model
    together = run(ids, mask)
    for row, length in enumerate((9, 4, 1)):
        alone = run(ids[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_ids_under_the_mask_have_no_influence() -> None:
    model = encoder()
    ids, mask = batch(9, 4)
    other = ids.masked_fill(~mask, 33)
    assert not torch.equal(ids, other)
    torch.testing.assert_close(model(ids, mask), model(other, mask), atol=0, rtol=0)


@torch.no_grad()
def test_the_order_of_tokens_matters() -> None:
    model = encoder()
    ids, mask = batch(6)
    swapped = ids[:, [0, 2, 1, 3, 4, 5]]
    assert (model(ids, mask) - model(swapped, mask)).abs().max() > 1e-3


def expected_parameters(layout: Layout) -> int:
    w = layout.width
    total = (layout.vocabulary + layout.positions) * w + 2 * w
    for layer in layout.layers:
        inner = layer.heads * layout.head_width
        total += 3 * inner * (w + 1) + w * (inner + 1)  # queries, keys, values; output
        total += layer.ffn * (w + 1) + w * (layer.ffn + 1)  # up and down
        total += 2 * 2 * w  # two normalisations
    return total + w * (w + 1) + layout.labels * (w + 1)


@pytest.mark.parametrize("layout", [UNEVEN, replace(UNEVEN, layers=UNEVEN.layers[1:], width=8)])
def test_the_parameter_count_is_the_closed_formula(layout: Layout) -> None:
    assert parameter_count(Encoder(layout)) == expected_parameters(layout)


def test_minilm_has_22_6_million_parameters() -> None:
    layer = LayerLayout(heads=12, ffn=1536)
    layout = Layout(
        vocabulary=30522, positions=512, width=384, head_width=32, layers=(layer,) * 6, labels=3
    )
    with torch.device("meta"):
        model = Encoder(layout)
    # The published 22,713,216 of six layers with pooler, less the two token types, plus the head.
    assert parameter_count(model) == 22_713_216 - 2 * 384 + 3 * 385


def test_weights_start_as_in_bert() -> None:
    linear, words = torch.nn.Linear(300, 300), torch.nn.Embedding(300, 300)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        initialise(linear)
        initialise(words)
    assert linear.bias.count_nonzero() == 0
    for weight in (linear.weight, words.weight):
        assert weight.std().item() == pytest.approx(0.02, rel=0.02)
        assert weight.mean().item() == pytest.approx(0, abs=2e-4)


@pytest.fixture
def saved(tmp_path: Path) -> Artifact:
    tokenizer = tiny_tokenizer(tmp_path)
    return save_encoder(tmp_path / "model", encoder(), tokenizer, IDENTITY, {"val/macro_f1": 0.5})


@torch.no_grad()
def test_a_saved_encoder_loads_with_the_same_weights_in_evaluation_mode(saved: Artifact) -> None:
    before, after = encoder(), load_encoder(saved)
    assert not after.training
    assert after.layout == UNEVEN
    theirs = after.state_dict()
    assert list(theirs) == list(before.state_dict())
    assert [n for n, w in before.state_dict().items() if not torch.equal(w, theirs[n])] == []
    ids, mask = batch(9, 4)
    assert torch.equal(after(ids, mask), before(ids, mask))


def test_the_manifest_states_layout_parameters_and_identity(saved: Artifact) -> None:
    manifest = saved.manifest
    assert (manifest.format, manifest.layout) == ("torch", UNEVEN)
    assert manifest.parameters == expected_parameters(UNEVEN)
    assert (manifest.technique, manifest.max_length_tokens) == ("finetune", 16)
    assert manifest.metrics == {"val/macro_f1": 0.5}


def test_an_artifact_of_another_format_is_no_encoder(saved: Artifact) -> None:
    other = Artifact(saved.path, replace(saved.manifest, format="onnx"))
    with pytest.raises(UserError, match=r"model: format must be 'torch', not 'onnx'"):
        load_encoder(other)


def test_loading_draws_no_random_numbers(saved: Artifact) -> None:
    before = torch.get_rng_state()
    load_encoder(saved)
    assert torch.equal(torch.get_rng_state(), before)

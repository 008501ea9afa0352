"""The convolutional encoder: padding changes nothing, and pieces may share an embedding."""

from typing import cast

import torch
from torch import Tensor, nn

from fincompress.artifact import ConvolutionLayout, Layout
from fincompress.models.conv_encoder import ConvEncoder

LAYOUT = Layout(
    vocabulary=8,
    positions=16,
    width=6,
    head_width=0,
    layers=(),
    labels=3,
    convolutions=tuple(ConvolutionLayout(tokens=tokens, filters=5) for tokens in (1, 2, 3, 5)),
    residual_convolutions=2,
)
ROWS = torch.tensor([0, 1, 2, 3, 4, 1, 1, 1])  # the last three pieces have that of piece 1


def _model() -> ConvEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ConvEncoder(LAYOUT, ROWS).eval()
        for convolution in (*model.residual, *model.convolutions):
            nn.init.normal_(cast(Tensor, convolution.bias))
    return model


def test_logits_do_not_depend_on_the_padding() -> None:
    model, ids = _model(), torch.tensor([[2, 3, 4, 1]])
    alone = model(ids, torch.ones(1, 4, dtype=torch.bool))
    for tokens in range(5, 12):
        padded = torch.full((1, tokens), 7)  # what is masked is not read, whatever it is
        padded[0, :4] = ids
        mask = torch.arange(tokens)[None] < 4
        torch.testing.assert_close(model(padded, mask), alone)


def test_every_window_counts_that_holds_a_token() -> None:
    """A sentence of one token is in five windows of five tokens, at each of their places."""
    model, ids = _model(), torch.tensor([[3]])
    convolution = cast(nn.Conv1d, model.convolutions[3])
    assert convolution.bias is not None
    x = model.words.weight[3]
    for residual in model.residual:
        assert isinstance(residual, nn.Conv1d) and residual.bias is not None
        x = x + (residual.weight[:, :, 1] @ x + residual.bias).relu()
    places = torch.einsum("fwt,w->ft", convolution.weight, x) + convolution.bias[:, None]
    expected = torch.maximum(places.amax(1), convolution.bias).relu()
    features = []
    model.classifier.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    model(ids, torch.ones(1, 1, dtype=torch.bool))
    torch.testing.assert_close(features[0][0, -5:], expected)


def test_pieces_without_an_embedding_share_one() -> None:
    model, mask = _model(), torch.ones(1, 3, dtype=torch.bool)
    assert model.words.num_embeddings == 5
    shared = [model(torch.tensor([[2, piece, 3]]), mask) for piece in (1, 5, 6, 7)]
    assert all(torch.equal(shared[0], other) for other in shared[1:])
    assert not torch.equal(shared[0], model(torch.tensor([[2, 4, 3]]), mask))

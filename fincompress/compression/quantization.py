"""Quantization-aware layers: an encoder that computes with the rounding of INT8 and can be trained.

A value x is rounded to scale * (clamp(round(x / scale) + zero) - zero). Rounding has a gradient of
zero almost everywhere, so the backward pass treats it as the identity ("straight-through
estimator": Bengio, Leonard and Courville, 2013, "Estimating or Propagating Gradients Through
Stochastic Neurons for Conditional Computation"). Scales are learned with the weights: Esser et al.
(2020), "Learned Step Size Quantization". What is learned is the change of a scale's logarithm, so
that one learning rate fits scales of any size: Jain et al. (2020), "Trained Quantization Thresholds
for Accurate and Efficient Fixed-Point Inference of Deep Neural Networks".

`quantize_encoder` makes such a model, and `freeze_quantization` turns it into one to export.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fincompress.models.conv_encoder import ConvEncoder
from fincompress.models.encoder import Encoder

# The largest integer of weights. 7 bits are used of the 8: CPUs without VNNI add two products of an
# INT8 weight and a UINT8 input in 16 bits, which overflow with larger weights.
WEIGHT_LIMIT = 63
INPUT_LIMIT = 255  # of inputs of a linear layer, which are UINT8
TABLE_LIMIT = 127  # of embedding tables, which are never multiplied
SMALLEST_SCALE = 1e-8  # keeps layers of zeros from dividing by zero
# How much faster scales move than weights: Adam's steps are of the learning rate's size for both.
SCALE_SPEED = 10.0


class QuantizedLinear(nn.Module):
    """A linear layer with inputs in UINT8 and weights in INT8, and with learned scales.

    Inputs have one scale and one zero point for the layer, weights one scale for each output and
    no zero point. `observe` sets the inputs' range before training; their zero point stays fixed.
    While `observing`, and unless `rounding`, the layer computes in floating point.
    """

    first_weight_scale: Tensor
    first_input_scale: Tensor
    input_zero: Tensor
    input_range: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        limits = linear.weight.detach().abs().amax(1).clamp_min(SMALLEST_SCALE)  # (out,)
        self.weight_change = nn.Parameter(torch.zeros_like(limits))
        self.input_change = nn.Parameter(limits.new_zeros(1))
        self.register_buffer("first_weight_scale", limits / WEIGHT_LIMIT)
        self.register_buffer("first_input_scale", limits.new_ones(1))
        self.register_buffer("input_zero", limits.new_zeros(1))
        self.register_buffer("input_range", limits.new_zeros(2))  # low and high; 0 is inside
        self.observing, self.rounding = False, True

    def observe(self, x: Tensor) -> None:
        """Widen the range of inputs to cover `x`, and derive scale and zero point from it."""
        low, high = x.aminmax()
        lowest, highest = self.input_range[0].minimum(low), self.input_range[1].maximum(high)
        self.input_range.copy_(torch.stack([lowest, highest]))
        scale = ((highest - lowest) / INPUT_LIMIT).clamp_min(SMALLEST_SCALE)
        self.first_input_scale.fill_(scale)
        self.input_zero.fill_((-lowest / scale).round())

    @property
    def weight_scale(self) -> Tensor:
        """The step between weights that INT8 can tell apart, for each output."""
        return self.first_weight_scale * (SCALE_SPEED * self.weight_change).exp()  # (out,)

    @property
    def input_scale(self) -> Tensor:
        """The step between inputs that UINT8 can tell apart."""
        return self.first_input_scale * (SCALE_SPEED * self.input_change).exp()  # (1,)

    def forward(self, x: Tensor) -> Tensor:
        if self.observing:
            self.observe(x.detach())
        if self.observing or not self.rounding:
            return F.linear(x, self.weight, self.bias)
        x = fake_quantize(x, self.input_scale, self.input_zero, 0, INPUT_LIMIT)
        scale = self.weight_scale[:, None]
        weight = fake_quantize(self.weight, scale, 0, -WEIGHT_LIMIT, WEIGHT_LIMIT)
        # In bf16 the product would round once more, by as much as a step of INT8.
        with torch.autocast(x.device.type, enabled=False):
            return F.linear(x, weight, self.bias)


class QuantizedEmbedding(nn.Module):
    """An embedding table in INT8 with a fixed scale for each row, as rows change little."""

    scale: Tensor

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self.weight = embedding.weight
        limits = embedding.weight.detach().abs().amax(1, keepdim=True).clamp_min(SMALLEST_SCALE)
        self.register_buffer("scale", limits / TABLE_LIMIT)  # (rows, 1)
        self.rounding = True

    def forward(self, ids: Tensor) -> Tensor:
        rows, scale = F.embedding(ids, self.weight), F.embedding(ids, self.scale)
        if not self.rounding:
            return rows
        return fake_quantize(rows, scale, 0, -TABLE_LIMIT, TABLE_LIMIT)


class FrozenLinear(nn.Module):
    """A `QuantizedLinear` in PyTorch's own operators, which exporters recognize as quantization."""

    scale: Tensor

    def __init__(self, learned: QuantizedLinear) -> None:
        super().__init__()
        scale = learned.weight_scale.detach()
        steps = (learned.weight.detach() / scale[:, None]).round()
        weight = steps.clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT) * scale[:, None]
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = learned.bias
        self.register_buffer("scale", scale)
        self.input_scale = learned.input_scale.detach().item()
        self.input_zero = int(learned.input_zero.item())

    def forward(self, x: Tensor) -> Tensor:
        x = torch.fake_quantize_per_tensor_affine(
            x, self.input_scale, self.input_zero, 0, INPUT_LIMIT
        )
        zeros = torch.zeros(len(self.scale), dtype=torch.int32)
        weight = torch.fake_quantize_per_channel_affine(
            self.weight, self.scale, zeros, 0, -128, 127
        )
        return F.linear(x, weight, self.bias)


class FrozenEmbedding(nn.Module):
    """A `QuantizedEmbedding` whose table is stored as INT8."""

    table: Tensor
    scale: Tensor

    def __init__(self, learned: QuantizedEmbedding) -> None:
        super().__init__()
        steps = (learned.weight.detach() / learned.scale).round()
        self.register_buffer("table", steps.clamp(-TABLE_LIMIT, TABLE_LIMIT).to(torch.int8))
        self.register_buffer("scale", learned.scale)

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, self.table).float() * F.embedding(ids, self.scale)


def fake_quantize(x: Tensor, scale: Tensor, zero: Tensor | int, low: int, high: int) -> Tensor:
    """Return `x` rounded to the nearest value that an integer in [low, high] represents.

    An integer q represents scale * (q - zero). `scale` and `zero` broadcast to the shape of `x`.
    The gradient passes to `x` where it is not clamped, and to `scale` everywhere.
    """
    ratio = x.float() / scale
    steps = ratio + (ratio.round() - ratio).detach() + zero
    return (steps.clamp(low, high) - zero) * scale


def quantize_encoder(model: Encoder, calibration: Iterable[tuple[Tensor, Tensor]]) -> Encoder:
    """Return a copy of `model` in which every linear layer and embedding rounds to INT8.

    `calibration` yields ids and mask, (n, tokens) each, on the model's device: the ranges of the
    layers' inputs are those that these batches have. The copy has no dropout.
    """
    model = deepcopy(model)
    _replace(model, {nn.Linear: QuantizedLinear, nn.Embedding: QuantizedEmbedding})
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # whose noise would hide that of rounding
    _observe(model, True)
    model.eval()
    with torch.no_grad():
        for ids, mask in calibration:
            model(ids, mask)
    _observe(model, False)
    return model


@contextmanager
def rounding_only(model: Encoder, names: Collection[str]) -> Iterator[None]:
    """Within this context, only the modules of a quantized `model` at the paths `names` round.

    The others compute in FP32, and their scales are kept. Raises `KeyError` for a path that is not
    a quantized module.
    """
    kinds = QuantizedLinear | QuantizedEmbedding
    modules = {path: m for path, m in model.named_modules() if isinstance(m, kinds)}
    for module in modules.values():
        module.rounding = False
    try:
        for name in names:
            modules[name].rounding = True
        yield
    finally:
        for module in modules.values():
            module.rounding = True


def freeze_quantization(model: Encoder) -> Encoder:
    """Return a copy of a quantized `model` on the CPU, with fixed scales, ready to be exported."""
    model = deepcopy(model).cpu()
    _replace(model, {QuantizedLinear: FrozenLinear, QuantizedEmbedding: FrozenEmbedding})
    return model.eval()


def freeze_embeddings(model: ConvEncoder) -> ConvEncoder:
    """Return a copy of `model` on the CPU whose embedding table is INT8, ready to be exported."""
    model = deepcopy(model).cpu()
    _replace(model, {nn.Embedding: lambda table: FrozenEmbedding(QuantizedEmbedding(table))})
    return model.eval()


def _replace(module: nn.Module, by: Mapping[type[nn.Module], Callable[..., nn.Module]]) -> None:
    """Replace each module of a type in `by`, at any depth, by what is made from it."""
    for name, child in module.named_children():
        if type(child) in by:
            module.add_module(name, by[type(child)](child))
        else:
            _replace(child, by)


def _observe(model: nn.Module, on: bool) -> None:
    for module in model.modules():
        if isinstance(module, QuantizedLinear):
            module.observing = on

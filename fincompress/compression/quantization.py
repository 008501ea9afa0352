"""An encoder becomes one that computes as INT8 would and can still be trained; and then INT8.

x is replaced by scale * (clamp(round(x / scale) + zero) - zero). Rounding has no useful gradient,
so the gradient passes it by ("straight-through estimator": Bengio et al., 2013, "Estimating or
Propagating Gradients Through Stochastic Neurons for Conditional Computation"), and reaches the
scales too: Esser et al. (2020), "Learned Step Size Quantization". A scale is learned as a change
of its logarithm, so that one learning rate fits all: Jain et al. (2020), "Trained Quantization
Thresholds for Accurate and Efficient Fixed-Point Inference of Deep Neural Networks".
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fincompress.models.encoder import Encoder

# 7 bits: CPUs without VNNI add two products of INT8 weights and UINT8 inputs in 16 bits.
WEIGHT_LIMIT = 63
INPUT_LIMIT = 255
TABLE_LIMIT = 127
SMALLEST_SCALE = 1e-8  # a scale of zero would divide by it
SCALE_SPEED = (
    10.0  # of scales against weights: Adam moves both by the learning rate, whatever their size
)


class QuantizedLinear(nn.Module):
    """Inputs in UINT8 with one scale, weights in INT8 with a scale per output, all learned.

    The zero of the inputs stays where `observe` put it.
    """

    first_weight_scale: Tensor
    first_input_scale: Tensor
    input_zero: Tensor
    seen: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        limits = linear.weight.detach().abs().amax(1).clamp_min(SMALLEST_SCALE)  # (out,)
        self.weight_change = nn.Parameter(torch.zeros_like(limits))
        self.input_change = nn.Parameter(limits.new_zeros(1))
        self.register_buffer("first_weight_scale", limits / WEIGHT_LIMIT)
        self.register_buffer("first_input_scale", limits.new_ones(1))
        self.register_buffer("input_zero", limits.new_zeros(1))
        self.register_buffer("seen", limits.new_zeros(2))  # lowest and highest input; 0 is inside
        self.observing, self.rounding = False, True

    def observe(self, x: Tensor) -> None:
        """Widen the range of inputs to `x`, and derive scale and zero from it."""
        low, high = x.aminmax()
        self.seen.copy_(torch.stack([self.seen[0].minimum(low), self.seen[1].maximum(high)]))
        scale = ((self.seen[1] - self.seen[0]) / INPUT_LIMIT).clamp_min(SMALLEST_SCALE)
        self.first_input_scale.fill_(scale)
        self.input_zero.fill_((-self.seen[0] / scale).round())

    @property
    def weight_scale(self) -> Tensor:
        return self.first_weight_scale * (SCALE_SPEED * self.weight_change).exp()  # (out,)

    @property
    def input_scale(self) -> Tensor:
        return self.first_input_scale * (SCALE_SPEED * self.input_change).exp()  # (1,)

    def forward(self, x: Tensor) -> Tensor:
        if self.observing:
            self.observe(x.detach())
        if self.observing or not self.rounding:
            return F.linear(x, self.weight, self.bias)
        x = fake_quantize(x, self.input_scale, self.input_zero, 0, INPUT_LIMIT)
        scale = self.weight_scale[:, None]
        weight = fake_quantize(self.weight, scale, 0, -WEIGHT_LIMIT, WEIGHT_LIMIT)
        # bf16 would round once more, by as much as a step of INT8.
        with torch.autocast(x.device.type, enabled=False):
            return F.linear(x, weight, self.bias)


class QuantizedEmbedding(nn.Module):
    """A table in INT8 with a scale per row, fixed: rows change little while a model adapts."""

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
    """The same answers by PyTorch's own operators, which exporters know as quantizers."""

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
    """The table as INT8."""

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
    """Return `x`, of any shape, at the nearest of the values that (scale, zero, low, high) has.

    The gradient reaches `x` where it lies between `low` and `high`, and `scale` everywhere.
    """
    ratio = x.float() / scale
    steps = ratio + (ratio.round() - ratio).detach() + zero
    return (steps.clamp(low, high) - zero) * scale


def quantize_encoder(model: Encoder, calibration: Iterable[tuple[Tensor, Tensor]]) -> Encoder:
    """Return a copy of `model` with every linear layer and embedding quantized, without dropout.

    `calibration` holds ids and mask, (n, tokens) each; the ranges of inputs are those seen in it.
    """
    model = deepcopy(model)
    _replace(model, {nn.Linear: QuantizedLinear, nn.Embedding: QuantizedEmbedding})
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # its noise would hide that of rounding
    _observe(model, True)
    model.eval()
    with torch.no_grad():
        for ids, mask in calibration:
            model(ids, mask)
    _observe(model, False)
    return model


@contextmanager
def rounding_only(model: Encoder, names: Collection[str]) -> Iterator[None]:
    """Let a quantized `model` round in the modules of these paths alone; the others are FP32.

    Their ranges stay as observed, so that modules can be switched on one at a time.
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
    """Return a copy of a quantized `model`, on the CPU, that can be exported."""
    model = deepcopy(model).cpu()
    _replace(model, {QuantizedLinear: FrozenLinear, QuantizedEmbedding: FrozenEmbedding})
    return model.eval()


def _replace(module: nn.Module, by: dict[type[nn.Module], type[nn.Module]]) -> None:
    for name, child in module.named_children():
        if type(child) in by:
            module.add_module(name, by[type(child)](child))
        else:
            _replace(child, by)


def _observe(model: nn.Module, on: bool) -> None:
    for module in model.modules():
        if isinstance(module, QuantizedLinear):
            module.observing = on

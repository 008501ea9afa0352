"""INT8: the rounding that is trained is the rounding that runs, and kernels are counted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from fincompress.artifact import Artifact, Products
from fincompress.build import build, plan
from fincompress.data import Splits
from fincompress.export import WRITERS, export, save_graph
from fincompress.models.encoder import Encoder
from fincompress.models.quantized import (
    INPUT_LIMIT,
    WEIGHT_LIMIT,
    QuantizedEmbedding,
    QuantizedLinear,
    fake_quantize,
    frozen,
    quantized,
)
from fincompress.models.storage import Identity, load_encoder
from fincompress.models.text import encode, load_tokenizer
from fincompress.runtimes import load_runtime
from fincompress.techniques import Inputs, quantize_aware, quantize_post_training
from fincompress.training import Budget, Encoded, to_tensors
from tests.conftest import Log, refusal, tiny_sentences

TEXTS = [text for text, _ in tiny_sentences()]
RUNTIMES = ("onnx_runtime", "openvino_runtime")


@pytest.fixture
def batch(base: Artifact) -> tuple[Tensor, Tensor]:
    return to_tensors(encode(load_tokenizer(base), TEXTS))


@pytest.fixture
def learner(base: Artifact, batch: tuple[Tensor, Tensor]) -> Encoder:
    return quantized(load_encoder(base), [batch])


def test_fake_quantization_rounds_clamps_and_passes_gradients_by() -> None:
    x = torch.tensor([-3.0, -0.26, 0.24, 0.26, 90.0], requires_grad=True)
    scale = torch.tensor(0.5, requires_grad=True)
    y = fake_quantize(x, scale, 2, 0, 10)
    assert y.tolist() == [-1.0, -0.5, 0.0, 0.5, 4.0]
    y.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None and x.grad.tolist() == [0, 1, 1, 1, 0]
    # Esser et al. (2020), equation 3: rounded minus unrounded inside, the limits outside.
    expected = -2 + (-1 + 0.52) + (0 - 0.48) + (1 - 0.52) + 8
    assert scale.grad is not None and float(scale.grad) == pytest.approx(expected, abs=1e-5)


def test_observed_ranges_take_the_inputs_in_and_hold_zero_exactly() -> None:
    layer = QuantizedLinear(nn.Linear(4, 2))
    layer.observing = True
    for x in (torch.tensor([[0.0, 1.0, 2.0, 3.0]]), torch.tensor([[-1.0, 0.0, 0.5, 1.0]])):
        layer(x)
    scale = layer.log_input_scale.exp().item()
    assert scale == pytest.approx(4 / INPUT_LIMIT)
    assert float(layer.input_zero) == 64
    zero = fake_quantize(torch.zeros(1), torch.tensor(scale), layer.input_zero, 0, INPUT_LIMIT)
    assert float(zero) == 0


def test_weights_of_zero_do_not_divide_by_zero() -> None:
    linear, table = nn.Linear(3, 2), nn.Embedding(5, 4)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(table.weight)
    assert torch.isfinite(QuantizedLinear(linear)(torch.ones(1, 3))).all()
    assert QuantizedEmbedding(table)(torch.tensor([1])).abs().max() == 0


def test_every_linear_layer_and_table_is_quantized_and_the_source_is_not(
    learner: Encoder, base: Artifact
) -> None:
    kinds = [type(module) for module in learner.modules()]
    assert kinds.count(QuantizedLinear) == 14 and kinds.count(QuantizedEmbedding) == 2
    assert nn.Linear not in kinds and nn.Embedding not in kinds
    assert all(m.p == 0 for m in learner.modules() if isinstance(m, nn.Dropout))
    assert not any(m.observing for m in learner.modules() if isinstance(m, QuantizedLinear))


def test_training_moves_weights_and_scales(learner: Encoder, batch: tuple[Tensor, Tensor]) -> None:
    learner.train()
    learner(*batch).square().sum().backward()
    for name, parameter in learner.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.abs().sum() > 0), name


def test_frozen_answers_as_trained(learner: Encoder, batch: tuple[Tensor, Tensor]) -> None:
    with torch.no_grad():
        for parameter in learner.parameters():  # as after some training
            parameter.mul_(1.01)
        torch.testing.assert_close(frozen(learner)(*batch), learner(*batch), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_learned_scales_reach_int8_kernels(
    runtime: str, learner: Encoder, base: Artifact, batch: tuple[Tensor, Tensor], tmp_path: Path
) -> None:
    with torch.no_grad():
        for module in learner.modules():
            if isinstance(module, QuantizedLinear):
                module.log_weight_scale.add_(0.05)
                module.log_input_scale.add_(0.05)
    engine = load_runtime(runtime)
    write = WRITERS[engine.FORMAT](frozen(learner))
    made = save_graph(tmp_path / "int8", write, base, Identity.of(base), engine.FORMAT)
    assert engine.count_products(made) == Products(int8=14, total=14)
    with torch.no_grad():
        expected = learner(*batch).numpy()
    answer = engine.load(made, 1)(TEXTS)
    # One step of rounding at the border of two values may differ; a lost scale would be far off.
    np.testing.assert_allclose(answer, expected, atol=0.05 * np.abs(expected).max())
    unlike = load_encoder(base)
    with torch.no_grad():
        assert np.abs(answer - unlike(*batch).numpy()).max() > 0


def test_weights_are_stored_in_eight_bits(learner: Encoder, base: Artifact, tmp_path: Path) -> None:
    write = WRITERS["onnx"](frozen(learner))
    made = save_graph(tmp_path / "int8", write, base, Identity.of(base), "onnx")
    graph = onnx.load(made.path / "model.onnx").graph
    large = [c for c in graph.initializer if np.prod(c.dims) >= 32 * 32]
    assert len(large) == 15  # 12 linear layers, the pooler, words and positions
    assert {c.data_type for c in large} == {onnx.TensorProto.INT8}
    weights = [onnx.numpy_helper.to_array(c) for c in large if "table" not in c.name]
    assert all(np.abs(w.astype(int)).max() <= WEIGHT_LIMIT for w in weights)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    ("technique", "config"),
    [
        ("quantize_post_training", quantize_post_training.Config(calibration_sentences=9)),
        ("quantize_aware", quantize_aware.Config(calibration_sentences=9)),
    ],
)
def test_quantized_models_are_small_close_to_their_source_and_counted(
    runtime: str, technique: str, config: object, splits: Splits, base: Artifact, tmp_path: Path
) -> None:
    made = plan(inputs(splits, base, technique, runtime), config, "d")
    artifact = build(made, tmp_path / "int8", Log())
    assert artifact.manifest.products == Products(int8=14, total=14)
    assert artifact.manifest.parameters == base.manifest.parameters
    source = load_runtime("torch_eager").load(base, torch.get_num_threads())(TEXTS)
    answer = load_runtime(runtime).load(artifact, 1)(TEXTS)
    if technique == "quantize_post_training":
        assert np.abs(answer - source).max() < 0.1 * np.abs(source).max()


def inputs(splits: Splits, source: Artifact, technique: str, runtime: str) -> Inputs:
    return Inputs.of(
        splits, source=source, teacher=source, pretrained=source, seed=1,
        budget=Budget(epochs=1, patience=1, batch_size=16), technique=technique, runtime=runtime,
    )  # fmt: skip


def test_dynamic_quantization_calibrates_nothing_and_says_so(
    splits: Splits, base: Artifact
) -> None:
    made = inputs(splits, base, "quantize_post_training", "onnx_runtime")
    config = plan(made, quantize_post_training.Config(), "d").config
    assert config == quantize_post_training.Config(
        calibration_sentences=None, preset=None, smooth_quant=None
    )


def test_an_fp32_graph_that_calls_itself_quantized_fails_and_leaves_nothing(
    splits: Splits, base: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(exported: Artifact) -> Callable[[Path], None]:
        return lambda folder: WRITERS["onnx"](load_encoder(base))(folder)

    monkeypatch.setattr(quantize_post_training, "dynamic_quantizer", keep)
    made = inputs(splits, base, "quantize_post_training", "onnx_runtime")
    recipe = plan(made, quantize_post_training.Config(), "d")
    message = refusal(lambda: build(recipe, tmp_path / "int8", Log()))
    assert message == (
        "quantize_post_training: all matrix products must run in INT8 on onnx_runtime, those of "
        "the 12 linear layers of the encoder among them, and 0 of 14 do"
    )
    assert not (tmp_path / "int8").exists()


@pytest.mark.parametrize(("sentences", "count"), [([], 3), ([[1, 2]], 0)])
def test_an_empty_calibration_set_is_refused(sentences: list[list[int]], count: int) -> None:
    data = Encoded(sentences, tuple(0 for _ in sentences))
    assert refusal(lambda: data.sample(count, 0)) == (
        f"calibration: at least one training sentence is needed, not {count} of {len(sentences)}"
    )


def test_a_graph_that_answers_otherwise_is_refused(
    base: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(model: Encoder) -> Callable[[Path], None]:
        wrong = load_encoder(base)
        with torch.no_grad():
            wrong.classifier.bias.add_(0.01)
        return real(wrong)

    real = WRITERS["onnx"]
    monkeypatch.setitem(WRITERS, "onnx", other)
    message = refusal(lambda: export(base, "onnx_runtime", tmp_path / "out"))
    assert message.startswith(
        "export: logits of the onnx graph must be within 0.0001 of PyTorch's, not 0.01 apart"
    )

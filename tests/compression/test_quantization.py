"""INT8: the rounding that is trained is the rounding that runs, and kernels are counted."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fincompress.artifact import Artifact, Products
from fincompress.build import build, plan
from fincompress.compression.quantization import (
    INPUT_LIMIT,
    WEIGHT_LIMIT,
    QuantizedEmbedding,
    QuantizedLinear,
    fake_quantize,
    freeze_quantization,
    quantize_encoder,
)
from fincompress.config import parse
from fincompress.data import Sentences, Splits
from fincompress.data.labels import SENTIMENT
from fincompress.export import WRITERS, export, save_graph
from fincompress.models.encoder import Encoder, Layer
from fincompress.models.storage import Identity, load_encoder
from fincompress.models.tokenization import encode, load_tokenizer
from fincompress.runtimes import load_runtime
from fincompress.techniques import load_technique, quantize_post_training
from fincompress.training.batches import EncodedSentences, padded_tensors
from tests.support.projects import Log, refusal, tiny_sentences
from tests.support.quantization import inputs

TEXTS = [text for text, _ in tiny_sentences()]
RUNTIMES = ("auto", "onnx_runtime", "openvino_runtime")


@pytest.fixture
def batch(base: Artifact) -> tuple[Tensor, Tensor]:
    return padded_tensors(encode(load_tokenizer(base), TEXTS))


@pytest.fixture
def learner(base: Artifact, batch: tuple[Tensor, Tensor]) -> Encoder:
    return quantize_encoder(load_encoder(base), [batch])


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
    scale = layer.input_scale.item()
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
    batch: tuple[Tensor, Tensor], base: Artifact
) -> None:
    source = load_encoder(base)
    before = {name: value.clone() for name, value in source.state_dict().items()}
    learner = quantize_encoder(source, [batch])
    kinds = [type(module) for module in learner.modules()]
    assert kinds.count(QuantizedLinear) == 14 and kinds.count(QuantizedEmbedding) == 2
    assert nn.Linear not in kinds and nn.Embedding not in kinds
    assert all(m.p == 0 for m in learner.modules() if isinstance(m, nn.Dropout))
    assert not any(m.observing for m in learner.modules() if isinstance(m, QuantizedLinear))
    assert source.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in source.state_dict().items())


def test_gradients_reach_weights_and_scales(learner: Encoder, batch: tuple[Tensor, Tensor]) -> None:
    learner.train()
    learner(*batch).square().sum().backward()
    for name, parameter in learner.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.abs().sum() > 0), name


def test_bf16_does_not_round_once_more(learner: Encoder, batch: tuple[Tensor, Tensor]) -> None:
    layer = cast(Layer, learner.layers[0]).up
    x = torch.randn(2, 3, 32)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        inside = layer(x)
    with torch.no_grad():
        assert torch.equal(inside, layer(x))


def test_frozen_answers_as_trained(learner: Encoder, batch: tuple[Tensor, Tensor]) -> None:
    with torch.no_grad():
        for parameter in learner.parameters():  # as after some training
            parameter.mul_(1.01)
        torch.testing.assert_close(
            freeze_quantization(learner)(*batch), learner(*batch), atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_learned_scales_reach_int8_kernels(
    runtime: str, learner: Encoder, base: Artifact, batch: tuple[Tensor, Tensor], tmp_path: Path
) -> None:
    with torch.no_grad():
        untouched = learner(*batch).numpy()
        for module in learner.modules():
            if isinstance(module, QuantizedLinear):
                module.input_change.sub_(0.1)  # e times smaller: most inputs are clamped
        expected = learner(*batch).numpy()
    assert far(untouched, expected), "a graph with the first scales would be noticed"
    made = saved(learner, base, runtime, tmp_path / "int8")
    engine = load_runtime(runtime)
    assert engine.count_products(made) == Products(int8=14, total=14)
    assert not far(engine.load(made, 1)(TEXTS), expected)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_answer_of_static_int8_does_not_depend_on_its_batch(
    runtime: str, learner: Encoder, base: Artifact, tmp_path: Path
) -> None:
    predict = load_runtime(runtime).load(saved(learner, base, runtime, tmp_path / "int8"), 1)
    alone = np.concatenate([predict([text]) for text in TEXTS])
    np.testing.assert_allclose(predict(TEXTS), alone, atol=1e-5)


def far(found: NDArray[np.float32], expected: NDArray[np.float32]) -> bool:
    """Further apart than a few roundings at the border of two steps can bring answers."""
    return bool(np.abs(found - expected).max() > 0.05 * np.abs(expected).max())


def saved(learner: Encoder, base: Artifact, runtime: str, out: Path) -> Artifact:
    final = freeze_quantization(learner)
    write = WRITERS[load_runtime(runtime).FORMAT](final)
    identity = Identity.of(base)
    judged_on = Sentences.of([(text, label, "tiny") for text, label in tiny_sentences()], SENTIMENT)
    return save_graph(out, write, base, identity, runtime, model=final, judged_on=judged_on)


def test_weights_are_stored_in_eight_bits(learner: Encoder, base: Artifact, tmp_path: Path) -> None:
    made = saved(learner, base, "onnx_runtime", tmp_path / "int8")
    graph = onnx.load(made.path / "model.onnx").graph
    large = [c for c in graph.initializer if np.prod(c.dims) >= 32 * 32]
    assert len(large) == 15  # 12 linear layers, the pooler, words and positions
    assert {c.data_type for c in large} == {onnx.TensorProto.INT8}
    weights = [onnx.numpy_helper.to_array(c) for c in large if "table" not in c.name]
    assert all(np.abs(w.astype(int)).max() <= WEIGHT_LIMIT for w in weights)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("technique", "runtime", "method"),
    [
        ("quantize_post_training", "auto", "static"),
        ("quantize_post_training", "onnx_runtime", "static"),
        ("quantize_post_training", "onnx_runtime", "dynamic"),
        ("quantize_post_training", "openvino_runtime", "static"),
        ("quantize_aware", "auto", None),
        ("quantize_aware", "openvino_runtime", None),
    ],
)
def test_every_way_to_int8_is_counted_small_reproducible_and_close_to_its_source(
    technique: str, runtime: str, method: str | None, splits: Splits, student_base: Artifact,
    tmp_path: Path,
) -> None:  # fmt: skip
    bounded = {"method": method, "max_f1_drop": 0.99}  # what guesses gets its labels by chance
    given = {"calibration_sentences": 9} | (bounded if method else {"epochs": 1})
    config = parse(load_technique(technique).Config, given, "x")
    made = plan(inputs(splits, student_base, technique, runtime), config, "d")
    log = Log()
    artifact = build(made, tmp_path / "one", log)
    assert load_runtime(runtime).count_products(artifact) == Products(int8=18, total=18)
    assert artifact.manifest.parameters == student_base.manifest.parameters
    # The tokenizer and the graph's own text weigh next to nothing beside weights of full size.
    weights = (student_base.path / "model.safetensors").stat().st_size
    assert 1e6 * artifact.size_mb < 0.3 * weights
    assert len(log.steps) == (0 if method else 1)
    if method:  # training would move it
        source = load_runtime("torch_eager").load(student_base, torch.get_num_threads())(TEXTS)
        answer = load_runtime(runtime).load(artifact, 1)(TEXTS)
        assert np.abs(answer - source).max() < 0.2 * np.abs(source).max()
        again = build(made, tmp_path / "two", Log())
        assert again.manifest.files == artifact.manifest.files


@pytest.mark.parametrize("runtime", ["auto", "openvino_runtime"])
def test_dynamic_quantization_is_for_onnx_runtime_alone(
    runtime: str, splits: Splits, base: Artifact
) -> None:
    made = inputs(splits, base, "quantize_post_training", runtime)
    message = refusal(lambda: plan(made, quantize_post_training.Config(method="dynamic"), "d"))
    assert message == (
        f"config.method: must be 'static' for {runtime}, not 'dynamic', which onnx_runtime has"
    )


def test_an_int8_graph_is_judged_on_real_sentences(
    learner: Encoder, base: Artifact, tmp_path: Path
) -> None:
    """By labels, macro-F1 and probabilities; random ids are for what is exact."""
    final, other = freeze_quantization(learner), freeze_quantization(learner)
    with torch.no_grad():
        other.classifier.bias.copy_(torch.tensor([9.0, 0.0, 0.0]))
        guesses = final(*padded_tensors(encode(load_tokenizer(base), TEXTS))).argmax(1).tolist()
    judged_on = Sentences(tuple(TEXTS), tuple(guesses), ("tiny",) * len(TEXTS))
    message = refusal(
        lambda: save_graph(
            tmp_path / "out", WRITERS["onnx"](other), base, Identity.of(base), "onnx_runtime",
            model=final, judged_on=judged_on,
        )
    )  # fmt: skip
    changed = len(TEXTS) - guesses.count(0)
    assert message.startswith(
        "export: the INT8 graph must answer as PyTorch does: onnx_runtime: "
        f"{changed} of {len(TEXTS)} labels change, at least 99% must stay, macro-F1 falls from "
    )
    assert "a probability changes by " in message
    assert list(tmp_path.iterdir()) == []


def test_an_fp32_graph_that_calls_itself_quantized_fails_and_leaves_nothing(
    splits: Splits, base: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(exported: Artifact) -> Callable[[Path], None]:
        return lambda folder: WRITERS["onnx"](load_encoder(base))(folder)

    monkeypatch.setattr(quantize_post_training, "dynamic_quantizer", keep)
    made = inputs(splits, base, "quantize_post_training", "onnx_runtime")
    recipe = plan(made, quantize_post_training.Config(method="dynamic"), "d")
    message = refusal(lambda: build(recipe, tmp_path / "int8", Log()))
    assert message == (
        "quantize_post_training: all 14 linear layers must run in INT8 on "
        "onnx_runtime, and 0 of 14 matrix products do"
    )
    assert not (tmp_path / "int8").exists()


@pytest.mark.parametrize(("sentences", "count"), [([], 3), ([[1, 2]], 0)])
def test_an_empty_calibration_set_is_refused(sentences: list[list[int]], count: int) -> None:
    data = EncodedSentences(sentences, tuple(0 for _ in sentences))
    assert refusal(lambda: data.sample(count, 0)) == (
        "calibration and scoring need at least one training sentence, not "
        f"{count} of {len(sentences)}"
    )


def test_a_graph_that_answers_otherwise_is_refused(
    base: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(model: Encoder) -> Callable[[Path], None]:
        wrong = load_encoder(base)
        with torch.no_grad():
            wrong.classifier.bias.add_(1.0)
        return real(wrong)

    real = WRITERS["onnx"]
    monkeypatch.setitem(WRITERS, "onnx", other)
    message = refusal(lambda: export(base, "onnx_runtime", tmp_path / "out"))
    assert message.startswith(
        "export: logits of the onnx graph must be within 0.0001 of PyTorch's, relative to the "
        "largest, not "
    )
    assert list(tmp_path.iterdir()) == []

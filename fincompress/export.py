"""Export: writes a PyTorch model as an ONNX or OpenVINO artifact, and checks its answers."""

import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn

from fincompress.artifact import TOKENIZER, Artifact, write_artifact
from fincompress.config import UserError
from fincompress.data import Sentences
from fincompress.evaluation.metrics import classification_scores
from fincompress.models.probe import SENTENCES, largest_change, write_probe
from fincompress.models.storage import Identity, load_encoder
from fincompress.models.tokenization import batches_by_tokens, encode, load_tokenizer, pad
from fincompress.runtimes import (
    Classifier,
    Infer,
    load_accepted,
    load_runtime,
    onnx_runtime,
    openvino_runtime,
)

OPSET = 17
PARITY_BATCHES = (1, 2, 32)  # batch sizes in which an FP32 graph is checked
REFERENCE_BATCH_TOKENS = 2048  # in one batch of PyTorch's reference answers, padding included
MAX_FP32_ERROR = 1e-4  # of an FP32 graph's logits, relative to the largest logit
# What an INT8 graph, whose kernels round differently, must keep of the same model in PyTorch:
MIN_LABELS_KEPT = 0.99  # share of the labels
MAX_F1_LOSS = 0.005
MAX_PROBABILITY_CHANGE = 0.25

STANDARD_INPUTS = {"ids": "input_ids", "mask": "attention_mask"}  # by the graph's own

Writer = Callable[[Path], None]  # writes a graph into a folder


def export(source: Artifact, runtime: str, out: Path) -> Artifact:
    """Write `source`, a torch artifact, to `out` in the format of `runtime`: the same model, FP32.

    Raises `UserError` if its logits differ from PyTorch's; see `save_graph`.
    """
    return save_model(out, load_encoder(source), source, Identity.of(source), runtime)


def save_model(
    out: Path,
    model: nn.Module,
    like: Artifact,
    identity: Identity,
    runtime: str,
    *,
    judged_on: Sentences | None = None,
    metrics: Mapping[str, float] | None = None,
) -> Artifact:
    """Save `model` as an artifact for `runtime`, in its format, once the graph answers as it does.

    The other arguments are those of `save_graph`, which is called; it raises the same.
    """
    write = WRITERS[load_runtime(runtime).FORMAT](model)
    return save_graph(
        out, write, like, identity, runtime, model=model, judged_on=judged_on, metrics=metrics
    )


def save_graph(
    out: Path,
    write: Writer,
    like: Artifact,
    identity: Identity,
    runtime: str,
    *,
    model: nn.Module | None = None,
    judged_on: Sentences | None = None,
    metrics: Mapping[str, float] | None = None,
) -> Artifact:
    """Save the graph that `write` writes as an artifact for `runtime`, once it answers right.

    The artifact gets the layout and the tokenizer of `like`, and `metrics` in its manifest. `model`
    is the same model in PyTorch, which the graph is compared with; without it nothing is checked.
    An FP32 graph has to give the same logits to random ids of many lengths. An INT8 graph is
    compared on the sentences `judged_on`: labels, macro-F1 and probabilities. Where `runtime` can
    choose among engines, those that fail are never used for it. Raises `UserError`, and leaves
    nothing at `out`, if the graph does not answer as the model does.
    """

    def write_all(folder: Path) -> None:
        shutil.copy2(like.path / TOKENIZER, folder / TOKENIZER)
        write(folder)
        if model is not None:
            write_probe(folder, _answers(model, like, SENTENCES))

    def check(draft: Artifact) -> None:
        if model is None:
            return
        threads = torch.get_num_threads()
        if judged_on is None:
            infer = load_runtime(runtime).load(draft, threads).infer
            _check_parity(model.cpu().eval(), infer, draft)
            return
        expected = _answers(model, like, judged_on.texts)
        try:
            load_accepted(
                runtime,
                draft,
                threads,
                lambda classifier: _disagreement(classifier, expected, judged_on),
            )
        except UserError as error:
            raise UserError(
                f"export: the INT8 graph must answer as PyTorch does: {error}"
            ) from None

    facts = vars(identity) | {
        "format": load_runtime(runtime).FORMAT,
        "layout": like.manifest.layout,
        "parameters": like.manifest.parameters,
        "metrics": dict(metrics or {}),
    }
    return write_artifact(out, write_all, facts, check)


def onnx_writer(model: nn.Module) -> Writer:
    """Return a writer that traces `model` to ONNX.

    Weights behind a fake quantizer are stored as INT8.
    """

    def write(folder: Path) -> None:
        file = folder / onnx_runtime.MODEL
        axes = {0: "sentences", 1: "tokens"}
        with _traced(model) as example:
            torch.onnx.export(
                model,
                example,
                file,
                input_names=["ids", "mask"],
                output_names=["logits"],
                opset_version=OPSET,
                dynamic_axes={"ids": axes, "mask": axes, "logits": {0: "sentences"}},
                dynamo=False,  # the newer exporter fails on fake quantizers
            )
        graph = onnx.load(file)
        _fold_weights(graph.graph)
        onnx.save(graph, file)

    return write


def openvino_writer(model: nn.Module) -> Writer:
    """Return a writer that converts `model` to OpenVINO.

    It converts from PyTorch, and not from ONNX, to keep attention as one operation.
    """

    def write(folder: Path) -> None:
        with _traced(model) as example:
            converted = openvino.convert_model(model, example_input=example)
        for tensor, name in zip(converted.inputs, ("ids", "mask"), strict=True):
            tensor.get_tensor().set_names({name})
        converted.outputs[0].get_tensor().set_names({"logits"})
        write_openvino(converted, folder)

    return write


def write_openvino(converted: Any, folder: Path) -> None:
    """Save an `openvino.Model` in `folder`, in its own precision; the default would be FP16.

    Operations are named by their position: OpenVINO numbers them through the life of a process,
    and the same model must give the same bytes. Raises `OSError` if the file cannot be written.
    """
    converted.set_friendly_name("encoder")
    for position, operation in enumerate(converted.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{position}")
    file = folder / openvino_runtime.MODEL
    try:
        openvino.save_model(converted, file, compress_to_fp16=False)
    except RuntimeError as error:
        raise OSError(f"{file}: cannot be written: {error}") from error


def write_standard_inputs(artifact: Artifact, file: Path) -> None:
    """Write the graph of an ONNX artifact with the inputs that Hugging Face's tokenizers give.

    They are `input_ids` and `attention_mask`, both int64 (n, tokens). Raises `UserError` for
    another format.
    """
    artifact.require_format(onnx_runtime.FORMAT)
    model = onnx.load(artifact.path / onnx_runtime.MODEL)
    for given in model.graph.input:
        kind, name = given.type.tensor_type, STANDARD_INPUTS[given.name]
        cast = onnx.helper.make_node("Cast", [name], [given.name], to=kind.elem_type)
        model.graph.node.insert(0, cast)
        given.name, kind.elem_type = name, onnx.TensorProto.INT64
    file.parent.mkdir(exist_ok=True)
    onnx.save(model, file)


WRITERS = {onnx_runtime.FORMAT: onnx_writer, openvino_runtime.FORMAT: openvino_writer}


def read_openvino(artifact: Artifact) -> Any:
    """Return the artifact's graph as an `openvino.Model`; raise `UserError` for another format."""
    artifact.require_format(openvino_runtime.FORMAT)
    return openvino_runtime.core().read_model(artifact.path / openvino_runtime.MODEL)


def dynamic_quantizer(source: Artifact, reduce_range: bool = True) -> Writer:
    """Return a writer that quantizes the graph of `source`, an ONNX artifact, dynamically.

    Weights are stored as INT8, activations are quantized during inference. With `reduce_range`
    weights have 7 bits: CPUs without VNNI add two products of 8 bits in 16, which can overflow.
    """
    source.require_format(onnx_runtime.FORMAT)

    def write(folder: Path) -> None:
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)  # it recommends a step that this graph does not need
        try:
            quantize_dynamic(
                source.path / onnx_runtime.MODEL,
                folder / onnx_runtime.MODEL,
                per_channel=True,
                reduce_range=reduce_range,
                weight_type=QuantType.QInt8,
            )
        finally:
            logging.disable(before)

    return write


def nncf_quantizer(source: Artifact, calibration: Sequence[list[int]]) -> Writer:
    """Return a writer of the graph of `source`, an OpenVINO artifact, in INT8, by NNCF.

    The ranges of activations are those that they have on `calibration`, the token ids of some
    sentences. Raises `UserError` for another format.
    """
    import nncf  # here because importing it takes seconds

    def feed(ids: list[int]) -> dict[str, object]:
        return dict(zip(("ids", "mask"), pad([ids]), strict=True))

    nncf.set_log_level(logging.ERROR)
    # Its progress bars consist of characters that not every terminal can show.
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        model = nncf.quantize(
            read_openvino(source),
            nncf.Dataset(calibration, feed),
            model_type=nncf.ModelType.TRANSFORMER,
            # Symmetric ranges: here they are as accurate as asymmetric ones, and faster.
            preset=nncf.QuantizationPreset.PERFORMANCE,
            subset_size=len(calibration),
        )
    return lambda folder: write_openvino(model, folder)


@contextmanager
def _traced(model: nn.Module) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Ids and mask to trace `model` with: two sentences, as a batch size of 1 would be fixed."""
    mask = torch.tensor([[True] * 7, [True] * 5 + [False] * 2])  # (2, 7)
    model.cpu().eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns of every branch
        yield torch.ones(mask.shape, dtype=torch.int64), mask


def _fold_weights(graph: onnx.GraphProto) -> None:
    """Turn weight -> QuantizeLinear -> DequantizeLinear -> Transpose into INT8 constants.

    Tracing leaves each weight in FP32, with a quantizer after it.
    """
    constants = {constant.name: constant for constant in graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for quantize in [n for n in graph.node if n.op_type == "QuantizeLinear"]:
        if quantize.input[0] not in constants:
            continue  # an activation
        weight = constants[quantize.input[0]]
        scale = numpy_helper.to_array(constants[quantize.input[1]])  # (out,)
        steps = np.rint(numpy_helper.to_array(weight) / scale[:, None]).astype(np.int8)  # (out, in)
        (dequantize,) = readers[quantize.output[0]]
        (after,) = readers[dequantize.output[0]]
        if after.op_type == "Transpose":
            steps = np.ascontiguousarray(steps.T)
            dequantize.attribute[0].i = 1
            for reader in readers[after.output[0]]:
                position = list(reader.input).index(after.output[0])
                reader.input[position] = dequantize.output[0]
            graph.node.remove(after)
        weight.CopyFrom(numpy_helper.from_array(steps, weight.name))
        dequantize.input[0] = weight.name
        graph.node.remove(quantize)


def _answers(model: nn.Module, like: Artifact, texts: Sequence[str]) -> NDArray[np.float32]:
    """The logits of `model`, (n, labels), on the CPU and in FP32."""
    model.cpu().eval()
    ids = encode(load_tokenizer(like), texts)
    logits = np.empty((len(ids), like.manifest.layout.labels), dtype=np.float32)
    with torch.inference_mode():
        for rows in batches_by_tokens(ids, REFERENCE_BATCH_TOKENS):
            arrays = pad([ids[row] for row in rows])
            logits[rows] = model(*map(torch.from_numpy, arrays)).numpy()
    return logits


def _disagreement(
    classifier: Classifier, expected: NDArray[np.float32], sentences: Sentences
) -> str:
    """By how much too much the answers differ from `expected`, logits (n, labels); '' if alike."""
    logits = classifier(sentences.texts)  # (n, labels)
    classes, expected_classes = logits.argmax(axis=1), expected.argmax(axis=1)  # (n,)
    changed = int((classes != expected_classes).sum())
    f1, expected_f1 = (
        classification_scores(sentences.labels, answers, sentences.label_names)["macro_f1"]
        for answers in (classes, expected_classes)
    )
    change = largest_change(logits, expected)
    faults = []
    if changed > max(1, (1 - MIN_LABELS_KEPT) * len(classes)):  # of a few sentences one may change
        faults.append(
            f"{changed} of {len(classes)} labels change, at least {MIN_LABELS_KEPT:.0%} must stay"
        )
    if changed > 1 and expected_f1 - f1 > MAX_F1_LOSS:
        faults.append(
            f"macro-F1 falls from {expected_f1:.4f} to {f1:.4f}, by more than {MAX_F1_LOSS}"
        )
    if not change <= MAX_PROBABILITY_CHANGE:  # true of NaN, too
        faults.append(
            f"a probability changes by {change:.2f}, by more than {MAX_PROBABILITY_CHANGE}"
        )
    return ", ".join(faults)


def _check_parity(model: nn.Module, infer: Infer, draft: Artifact) -> None:
    """Raise `UserError` unless `infer` gives the logits of `model` to random ids and masks."""
    longest = draft.manifest.max_length_tokens
    random = np.random.default_rng(0)
    for sentences in PARITY_BATCHES:
        for tokens in sorted({1, 2, longest // 2, longest}):
            ids = random.integers(0, draft.manifest.layout.vocabulary, (sentences, tokens))
            lengths = random.integers(1, tokens + 1, sentences)
            lengths[0] = tokens
            mask: NDArray[np.bool_] = np.arange(tokens) < lengths[:, None]
            with torch.inference_mode():
                expected = model(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
            error = float(np.abs(infer(ids, mask) - expected).max() / np.abs(expected).max())
            if not error <= MAX_FP32_ERROR:
                raise UserError(
                    f"export: logits of the {draft.manifest.format} graph must be within "
                    f"{MAX_FP32_ERROR} of PyTorch's, relative to the largest, not {error:.2g} "
                    f"apart ({sentences} sentences of {tokens} tokens)"
                )

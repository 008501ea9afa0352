"""Export: writes a PyTorch model as an ONNX or OpenVINO artifact, and checks its answers."""

import logging
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from fincompress.models.probe import SENTENCES, largest_move, write_probe
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
PARITY_BATCHES = (1, 2, 32)
REFERENCE_BATCH_TOKENS = 2048  # in a batch of what PyTorch answers, padding included
MAX_FP32_ERROR = 1e-4  # of the largest logit, of an FP32 graph
# Of an INT8 graph, whose kernels round differently, beside the same model in PyTorch:
MIN_LABELS_KEPT = 0.99  # share of its labels
MAX_F1_LOSS = 0.005
MAX_PROBABILITY_CHANGE = 0.25  # of a probability

Writer = Callable[[Path], None]


def export(source: Artifact, runtime: str, out: Path) -> Artifact:
    """Write `source`, a torch artifact, for `runtime`: the same model, FP32.

    Raises `UserError` if its logits differ from PyTorch's, see `save_graph`.
    """
    model = load_encoder(source)
    write = WRITERS[load_runtime(runtime).FORMAT](model)
    return save_graph(out, write, source, Identity.of(source), runtime, model=model)


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
    """Let `write` fill an artifact for `runtime` with the layout and the tokenizer of `like`.

    `model` computes the same in PyTorch. An FP32 graph has to give its logits to random ids of
    every length. An INT8 graph is judged on the sentences `judged_on`, by labels, macro-F1 and
    probabilities; where `runtime` has several engines, those that fail are not used. Raises
    `UserError`, and leaves nothing at `out`, if it does not answer alike.
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
                runtime, draft, threads, lambda own: _disagreement(own, expected, judged_on)
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
    """Trace `model`; weights behind a fake quantizer are stored as the INT8 that they are."""

    def write(folder: Path) -> None:
        file = folder / onnx_runtime.MODEL
        axes = {0: "sentences", 1: "tokens"}
        with _traced(model) as example:
            torch.onnx.export(
                model, example, file,
                input_names=["ids", "mask"], output_names=["logits"], opset_version=OPSET,
                dynamic_axes={"ids": axes, "mask": axes, "logits": {0: "sentences"}},
                # The newer exporter breaks on fake quantizers.
                dynamo=False,
            )  # fmt: skip
        graph = onnx.load(file)
        _fold_weights(graph.graph)
        onnx.save(graph, file)

    return write


def openvino_writer(model: nn.Module) -> Writer:
    """Convert `model` from PyTorch, which keeps attention in one piece, as ONNX would not."""

    def write(folder: Path) -> None:
        with _traced(model) as example:
            converted = openvino.convert_model(model, example_input=example)
        for tensor, name in zip(converted.inputs, ("ids", "mask"), strict=True):
            tensor.get_tensor().set_names({name})
        converted.outputs[0].get_tensor().set_names({"logits"})
        write_openvino(converted, folder)

    return write


def write_openvino(converted: Any, folder: Path) -> None:
    """Save an `openvino.Model` at the precision that it has; the default would be FP16.

    Operations are named by their place: OpenVINO counts them through the life of a process, and
    the same model must give the same bytes. Raises `OSError` if the disk does not take it.
    """
    converted.set_friendly_name("encoder")
    for place, operation in enumerate(converted.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{place}")
    file = folder / openvino_runtime.MODEL
    try:
        openvino.save_model(converted, file, compress_to_fp16=False)
    except RuntimeError as error:
        raise OSError(f"{file}: cannot be written: {error}") from error


WRITERS = {onnx_runtime.FORMAT: onnx_writer, openvino_runtime.FORMAT: openvino_writer}


def read_openvino(artifact: Artifact) -> Any:
    """Return the artifact's graph as an `openvino.Model`."""
    artifact.require_format(openvino_runtime.FORMAT)
    return openvino.Core().read_model(artifact.path / openvino_runtime.MODEL)


def dynamic_quantizer(source: Artifact, reduce_range: bool = True) -> Writer:
    """What writes an ONNX artifact's graph with INT8 weights, activations quantized as they come.

    With `reduce_range` weights take 7 bits: CPUs without VNNI add two products of 8 bits in 16,
    and would overflow.
    """
    source.require_format(onnx_runtime.FORMAT)

    def write(folder: Path) -> None:
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)  # it advises a step that this graph does not need
        try:
            quantize_dynamic(
                source.path / onnx_runtime.MODEL, folder / onnx_runtime.MODEL,
                per_channel=True, reduce_range=reduce_range, weight_type=QuantType.QInt8,
            )  # fmt: skip
        finally:
            logging.disable(before)

    return write


@contextmanager
def _traced(model: nn.Module) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Two sentences to trace with: a batch of one would become a constant of the graph."""
    mask = torch.tensor([[True] * 7, [True] * 5 + [False] * 2])
    model.cpu().eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns of every branch it cannot follow
        yield torch.ones(mask.shape, dtype=torch.int64), mask


def _fold_weights(graph: onnx.GraphProto) -> None:
    """Turn weight -> QuantizeLinear -> DequantizeLinear -> Transpose into INT8 constants.

    The tracer leaves FP32 weights with a quantizer after each.
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
        steps = np.rint(numpy_helper.to_array(weight) / scale[:, None]).astype(np.int8)
        (dequantize,) = readers[quantize.output[0]]
        (after,) = readers[dequantize.output[0]]
        if after.op_type == "Transpose":
            steps = np.ascontiguousarray(steps.T)
            dequantize.attribute[0].i = 1
            for reader in readers[after.output[0]]:
                places = list(reader.input)
                reader.input[places.index(after.output[0])] = dequantize.output[0]
            graph.node.remove(after)
        weight.CopyFrom(numpy_helper.from_array(steps, weight.name))
        dequantize.input[0] = weight.name
        graph.node.remove(quantize)


def _answers(model: nn.Module, like: Artifact, texts: Sequence[str]) -> NDArray[np.float32]:
    """What `model` answers, on the CPU and in FP32: logits, (n, labels)."""
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
    """How the answers to `sentences` differ from `expected`, logits (n, labels), if too much."""
    logits = classifier(sentences.texts)
    classes, wanted = logits.argmax(axis=1), expected.argmax(axis=1)
    others = int((classes != wanted).sum())
    f1, before = (
        classification_scores(sentences.labels, each)["macro_f1"] for each in (classes, wanted)
    )
    moved = largest_move(logits, expected)
    said = []
    if others > max(
        1, (1 - MIN_LABELS_KEPT) * len(wanted)
    ):  # one is none in a handful of sentences
        said.append(
            f"{others} of {len(wanted)} labels are others, {MIN_LABELS_KEPT:.0%} have to stay"
        )
    if others > 1 and before - f1 > MAX_F1_LOSS:
        said.append(f"macro-F1 falls from {before:.4f} to {f1:.4f}, at most {MAX_F1_LOSS} may go")
    if not moved <= MAX_PROBABILITY_CHANGE:  # which is so of no number, too
        said.append(f"a probability moves by {moved:.2f}, at most {MAX_PROBABILITY_CHANGE} may be")
    return ", ".join(said)


def _check_parity(model: nn.Module, infer: Infer, draft: Artifact) -> None:
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
            apart = float(np.abs(infer(ids, mask) - expected).max() / np.abs(expected).max())
            if not apart <= MAX_FP32_ERROR:
                raise UserError(
                    f"export: logits of the {draft.manifest.format} graph must be within "
                    f"{MAX_FP32_ERROR} of PyTorch's, relative to the largest, not {apart:.2g} "
                    f"apart ({sentences} sentences of {tokens} tokens)"
                )

"""Post-training quantization: a trained encoder in INT8, without training.

A value x is stored as the integer q = clamp(round(x / scale) + zero), and stands for
scale * (q - zero). Nothing is optimized; the methods differ in where the scales come from.

* `static`: scales of weights come from their largest absolute value, scales of activations from
  the range that they have on calibration sentences. ONNX graphs, which every engine can run, use
  7 bits for weights (`compression/quantization.py` says why). Graphs for OpenVINO alone are written
  by NNCF with 8 bits, after outliers have been moved from activations into weights: Xiao et al.
  (2023), "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language
  Models".
* `dynamic`, only in ONNX Runtime: scales of activations are computed for each batch at inference.

The embedding table is INT8 in all of them. The build fails if validation macro-F1 falls too far
below the source's. Which layers suffer most is measured by `compression/sensitivity.py`, in the
same way for every method.

Jacob et al. (2018), "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference".
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import torch
from pydantic import Field

from fincompress.artifact import Artifact, complete_artifact
from fincompress.callbacks import Callback
from fincompress.compression.quantization import freeze_quantization, quantize_encoder
from fincompress.compression.sensitivity import Sensitivity, layer_sensitivities, show_sensitivities
from fincompress.config import UserError, settings
from fincompress.evaluation.metrics import classification_scores
from fincompress.export import (
    dynamic_quantizer,
    export,
    nncf_quantizer,
    onnx_writer,
    save_graph,
)
from fincompress.models.storage import load_encoder
from fincompress.runtimes import Classifier, load_runtime, torch_eager
from fincompress.techniques import Inputs
from fincompress.training.device import training_device

FAMILY = "quantize"
FORMATS = ("onnx", "openvino")


@settings
class Config:
    """Settings of post-training quantization.

    `method`: `static`, or `dynamic` for ONNX Runtime.
    `calibration_sentences`: training sentences that the ranges of activations are taken from;
    `dynamic` uses them only to measure which layers are sensitive.
    `max_f1_drop`: how far validation macro-F1 may fall below the source's, 0 to 1.
    """

    method: Literal["static", "dynamic"] = "static"
    calibration_sentences: Annotated[int, Field(ge=1)] = 300
    max_f1_drop: Annotated[float, Field(ge=0, lt=1)] = 0.02


def resolve(config: Config, inputs: Inputs) -> Config:
    """Return `config` unchanged; raise `UserError` if the runtime does not have its method."""
    if config.method == "dynamic" and inputs.runtime != "onnx_runtime":
        raise UserError(
            f"config.method: must be 'static' for {inputs.runtime}, not 'dynamic', which "
            "onnx_runtime has"
        )
    return config


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    """Quantize the source and write its graph; raise `UserError` if macro-F1 falls too far."""
    train, _ = inputs.encoded_splits()
    calibration = train.sample(config.calibration_sentences, inputs.seed)
    rounded = quantize_encoder(
        load_encoder(inputs.source).to(training_device()), calibration.batches()
    )
    sensitivities = layer_sensitivities(rounded, calibration)
    show_sensitivities(callback, sensitivities)
    model = None  # to verify the graph against, where PyTorch can compute the same
    with TemporaryDirectory(prefix="fincompress-") as scratch:
        if config.method == "static" and inputs.format == "onnx":
            model = freeze_quantization(rounded)
            write = onnx_writer(model)
        else:
            exported = export(inputs.source, inputs.runtime, Path(scratch) / "fp32")
            if config.method == "dynamic":
                write = dynamic_quantizer(exported)
            else:
                write = nncf_quantizer(exported, calibration.ids)
        draft = save_graph(
            Path(scratch) / "int8",
            write,
            inputs.source,
            inputs.identity(),
            inputs.runtime,
            model=model,
            judged_on=inputs.val,
        )
        if not inputs.shape_only:
            _check_f1_drop(draft, inputs, config, sensitivities)
        return complete_artifact(draft, out)


def _check_f1_drop(
    draft: Artifact, inputs: Inputs, config: Config, sensitivities: Sequence[Sensitivity]
) -> None:
    """Raise `UserError` if `draft` loses more macro-F1 than allowed, each in its own runtime."""

    def f1(model: Classifier) -> float:
        classes = model(inputs.val.texts).argmax(1)  # (n,)
        scores = classification_scores(inputs.val.labels, classes, inputs.val.label_names)
        return scores["macro_f1"]

    threads = torch.get_num_threads()
    before = f1(torch_eager.load(inputs.source, threads))
    after = f1(load_runtime(inputs.runtime).load(draft, threads))
    if before - after > config.max_f1_drop:
        dynamic = config.method == "dynamic"
        better = "method 'static'" if dynamic else "more calibration_sentences"
        worst = max(sensitivities, key=lambda each: each.kl)
        raise UserError(
            f"config.max_f1_drop: INT8 loses {before - after:.4f} of validation macro-F1 "
            f"({before:.4f} to {after:.4f}), at most {config.max_f1_drop} is allowed; most "
            f"sensitive: {worst.name}; raise it, use {better}, or "
            "train for INT8 (technique quantize_aware)"
        )

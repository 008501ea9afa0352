"""Post-training quantization: a trained encoder in INT8, without training.

`static`: weights and activations get scales from the ranges that calibration sentences show. In an
ONNX graph, which every engine runs, weights take 7 bits. For OpenVINO alone NNCF writes 8 bits,
after it has moved outliers from activations into weights: Xiao et al. (2023), "SmoothQuant:
Accurate and Efficient Post-Training Quantization for Large Language Models".
`dynamic`, for ONNX Runtime alone: activations get their scales from each batch as it comes.
The embedding table is INT8 in all of them.

What loses more of the source's validation macro-F1 than it may is refused. Which layers INT8 hurts
is measured for all of them in the same way (`sensitivity.py`).
"""

import os
from collections.abc import Sequence
from contextlib import redirect_stdout
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
    Writer,
    dynamic_quantizer,
    export,
    onnx_writer,
    read_openvino,
    save_graph,
    write_openvino,
)
from fincompress.models.storage import load_encoder
from fincompress.models.tokenization import pad
from fincompress.runtimes import Classifier, load_runtime, torch_eager
from fincompress.techniques import Inputs
from fincompress.training.device import training_device

FAMILY = "quantize"
FORMATS = ("onnx", "openvino")


@settings
class Config:
    """`calibration_sentences` are training sentences; `dynamic` takes no scale from them, and only
    tells by them which layers are sensitive. `max_f1_drop`: how far validation macro-F1 may fall
    below the source's.
    """

    method: Literal["static", "dynamic"] = "static"
    calibration_sentences: Annotated[int, Field(ge=1)] = 300
    max_f1_drop: Annotated[float, Field(ge=0, lt=1)] = 0.02


def resolve(config: Config, inputs: Inputs) -> Config:
    if config.method == "dynamic" and inputs.runtime != "onnx_runtime":
        raise UserError(
            f"config.method: must be 'static' for {inputs.runtime}, not 'dynamic', which "
            "onnx_runtime has"
        )
    return config


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    train, _ = inputs.encoded_splits()
    calibration = train.sample(config.calibration_sentences, inputs.seed)
    rounded = quantize_encoder(
        load_encoder(inputs.source).to(training_device()), calibration.batches()
    )
    found = layer_sensitivities(rounded, calibration)
    show_sensitivities(callback, found)
    model = None  # that computes the same in PyTorch
    with TemporaryDirectory(prefix="fincompress-") as scratch:
        if config.method == "static" and inputs.format == "onnx":
            model = freeze_quantization(rounded)
            write = onnx_writer(model)
        else:
            exported = export(inputs.source, inputs.runtime, Path(scratch) / "fp32")
            dynamic = config.method == "dynamic"
            write = dynamic_quantizer(exported) if dynamic else _by_nncf(exported, calibration.ids)
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
            _check_drop(draft, inputs, config, found)
        return complete_artifact(draft, out)


def _check_drop(
    draft: Artifact, inputs: Inputs, config: Config, found: Sequence[Sensitivity]
) -> None:
    """Both answer as they ship."""

    def f1(model: Classifier) -> float:
        return classification_scores(inputs.val.labels, model(inputs.val.texts).argmax(1))[
            "macro_f1"
        ]

    threads = torch.get_num_threads()
    before = f1(torch_eager.load(inputs.source, threads))
    after = f1(load_runtime(inputs.runtime).load(draft, threads))
    if before - after > config.max_f1_drop:
        dynamic = config.method == "dynamic"
        better = "method 'static'" if dynamic else "more calibration_sentences"
        raise UserError(
            f"config.max_f1_drop: INT8 loses {before - after:.4f} of validation macro-F1 "
            f"({before:.4f} to {after:.4f}), at most {config.max_f1_drop} is allowed; most "
            f"sensitive: {max(found, key=lambda each: each.kl).name}; raise it, use {better}, or "
            "train for INT8 (student_qat)"
        )


def _by_nncf(exported: Artifact, calibration: Sequence[list[int]]) -> Writer:
    import nncf  # seconds, which only this needs

    def feed(ids: list[int]) -> dict[str, object]:
        return dict(zip(("ids", "mask"), pad([ids]), strict=True))

    nncf.set_log_level(40)  # errors
    # Its progress bars are of characters that not every terminal has.
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        model = nncf.quantize(
            read_openvino(exported),
            nncf.Dataset(calibration, feed),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.PERFORMANCE,  # symmetric: as accurate here, and faster
            subset_size=len(calibration),
        )
    return lambda folder: write_openvino(model, folder)

"""A trained encoder becomes an INT8 one without training: post-training quantization.

`static`: weights and activations get scales from the ranges that calibration sentences show. For
OpenVINO, NNCF first moves outliers from activations into weights: Xiao et al. (2023),
"SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models".
`dynamic`, for ONNX Runtime alone: activations get their scales from each batch as it comes.
The embedding table is INT8 in all of them.
"""

import os
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

from pydantic import Field

from fincompress.artifact import Artifact
from fincompress.export import (
    ROUNDED,
    Writer,
    dynamic_quantizer,
    export,
    onnx_writer,
    read_openvino,
    save_graph,
    write_openvino,
)
from fincompress.models.quantized import frozen, quantized
from fincompress.models.storage import load_encoder
from fincompress.models.text import pad
from fincompress.reporting import Report
from fincompress.spec import UserError, settings
from fincompress.techniques import Inputs

FAMILY = "quantize"
FORMATS = ("onnx", "openvino")


@settings
class Config:
    """`calibration_sentences` are training sentences; `dynamic` needs none of them."""

    method: Literal["static", "dynamic"] = "static"
    calibration_sentences: Annotated[int, Field(ge=1)] = 300


def resolve(config: Config, inputs: Inputs) -> Config:
    if config.method == "dynamic" and inputs.format != "onnx":
        raise UserError(
            f"config.method: must be 'static' for {inputs.runtime}, not 'dynamic', which "
            "onnx_runtime has"
        )
    return config


def compress(inputs: Inputs, config: Config, out: Path, report: Report) -> Artifact:
    train, _ = inputs.encoded()
    calibration = train.sample(config.calibration_sentences, inputs.seed)
    model = None  # that computes the same in PyTorch
    with TemporaryDirectory(prefix="fincompress-") as scratch:
        if config.method == "static" and inputs.format == "onnx":
            model = frozen(quantized(load_encoder(inputs.source), calibration.batches()))
            write = onnx_writer(model)
        else:
            exported = export(inputs.source, inputs.runtime, Path(scratch) / "fp32")
            dynamic = config.method == "dynamic"
            write = dynamic_quantizer(exported) if dynamic else _by_nncf(exported, calibration.ids)
        return save_graph(
            out, write, inputs.source, inputs.identity(), inputs.runtime,
            model=model, tolerance=ROUNDED,
        )  # fmt: skip


def _by_nncf(exported: Artifact, calibration: Sequence[list[int]]) -> Writer:
    import nncf  # seconds, which only this needs

    def feed(ids: list[int]) -> dict[str, object]:
        return dict(zip(("ids", "mask"), pad([ids]), strict=True))

    nncf.set_log_level(40)  # errors
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):  # its progress bars
        model = nncf.quantize(
            read_openvino(exported),
            nncf.Dataset(calibration, feed),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.PERFORMANCE,  # symmetric: as accurate here, and faster
            subset_size=len(calibration),
        )
    return lambda folder: write_openvino(model, folder)

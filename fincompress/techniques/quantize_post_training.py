"""A trained encoder becomes an INT8 one without training: post-training quantization.

For OpenVINO, static: weights and activations get scales from the ranges that calibration
sentences show, after SmoothQuant has moved outliers from activations into weights (Xiao et al.,
2023, "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models").
For ONNX Runtime, dynamic: weights are quantized, activations get their scales as they come.
The embedding table is INT8 in both.
"""

import os
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

from pydantic import Field

from fincompress.artifact import Artifact
from fincompress.export import dynamic_quantizer, export, openvino_saver, read_openvino, save_graph
from fincompress.models.text import Ids, pad
from fincompress.reporting import Report
from fincompress.spec import settings
from fincompress.techniques import Inputs

FAMILY = "quantize"
FORMATS = ("onnx", "openvino")
STATIC = "openvino"


@settings
class Config:
    """Static quantization only; all are None where activations are quantized as they come.

    `preset`: activations with symmetric ranges (`performance`) or asymmetric ones (`mixed`).
    `smooth_quant`: how much of an outlier moves into the weights; 0 leaves them alone.
    """

    calibration_sentences: Annotated[int, Field(ge=1)] | None = 300
    preset: Literal["performance", "mixed"] | None = "performance"
    smooth_quant: Annotated[float, Field(ge=0, le=1)] | None = 0.95


def resolve(config: Config, inputs: Inputs) -> Config:
    if inputs.format == STATIC:
        return config
    return replace(config, calibration_sentences=None, preset=None, smooth_quant=None)


def compress(inputs: Inputs, config: Config, out: Path, report: Report) -> Artifact:
    with TemporaryDirectory(prefix="fincompress-") as scratch:
        exported = export(inputs.source, inputs.runtime, Path(scratch) / "fp32")
        if inputs.format == STATIC:
            train, _ = inputs.encoded()
            calibration = train.sample(config.calibration_sentences or 0, inputs.seed).ids
            write = openvino_saver(_static(exported, calibration, config))
        else:
            write = dynamic_quantizer(exported)
        return save_graph(out, write, inputs.source, inputs.identity(), inputs.format)


def _static(exported: Artifact, calibration: Ids, config: Config) -> object:
    import nncf  # seconds, which only this needs

    nncf.set_log_level(40)  # errors
    alpha = config.smooth_quant or -1  # NNCF: negative is off
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):  # its progress bars
        return nncf.quantize(
            read_openvino(exported),
            nncf.Dataset(
                calibration, lambda ids: dict(zip(("ids", "mask"), pad([ids]), strict=True))
            ),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset(config.preset),
            subset_size=len(calibration),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=alpha)
            ),
        )

"""Model cascade: a cheap model answers, and what it is unsure of, a sure model answers.

A text is handed over unless the cheap model's highest probability is above a threshold. The
threshold is the lowest for which it is certain, on held-out text without labels, that the cheap
model seldom answers what the sure one would not (`compression/hand_over.py`). Nothing is trained.

Varshney and Baral (2022), "Model Cascading: Towards Jointly Improving Efficiency and Accuracy of
NLP Systems".
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from fincompress.artifact import Artifact, write_artifact
from fincompress.callbacks import Callback, Chart
from fincompress.compression.hand_over import certify_threshold, upper_bound
from fincompress.config import Positive, UserError, settings
from fincompress.evaluation.results import HELD_OUT_TRANSFER, VAL, handed_over_key
from fincompress.runtimes import cascade, load_runtime
from fincompress.techniques import Inputs

FAMILY = "distill"
FORMATS = (cascade.FORMAT,)
SOURCE_FORMATS = (load_runtime(cascade.STAGE_RUNTIME).FORMAT,)
CURVE_POINTS = 51


@settings
class Config:
    """Settings of a cascade, whose variant names two sources: the cheap one, and the sure one.

    `max_disagreement`: the highest share of texts that the cheap model may answer with another
    label than the sure one's, 0 to 1.
    `certainty`: how certain this has to be, over draws of the texts that chose the threshold.
    `held_out`: at most so many texts choose it, of those that the study holds out from its transfer
    set.
    `max_share`: the build fails if a larger share has to be handed over.
    `random_share`: the share that is handed over where weights are random, and only speed counts.
    """

    max_disagreement: Annotated[float, Field(gt=0, lt=1)] = 0.03
    certainty: Annotated[float, Field(gt=0, lt=1)] = 0.95
    held_out: Positive = 5000
    max_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    random_share: Annotated[float, Field(gt=0, lt=1)] = 0.1


def resolve(config: Config, inputs: Inputs) -> Config:
    """Return `config` with the number of held-out texts that there are.

    Raises `UserError` unless there are two sources, and such texts.
    """
    if len(inputs.sources) != 2:
        raise UserError(
            f"source: a cascade needs two, the cheap one first, not {len(inputs.sources)}"
        )
    if not inputs.held_out and not inputs.shape_only:
        raise UserError(
            "config.held_out: the study holds no text out that could choose a threshold; set "
            "data.transfer_held_out in the study's file"
        )
    return replace(config, held_out=max(1, min(config.held_out, len(inputs.held_out))))


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    """Choose the threshold, and write both models and it as one artifact."""
    runtime, threads = load_runtime(cascade.STAGE_RUNTIME), torch.get_num_threads()
    cheap, sure = (runtime.load(source, threads) for source in inputs.sources)
    on_val = cascade.confidence(cheap(inputs.val.texts))
    if inputs.shape_only:
        threshold = float(np.quantile(on_val, config.random_share))
        share = config.random_share
    else:
        texts = inputs.held_out[: config.held_out]
        logits = cheap(texts)  # (n, labels)
        confidences = cascade.confidence(logits)
        agrees = logits.argmax(1) == sure(texts).argmax(1)  # (n,)
        certified = certify_threshold(
            confidences, agrees, config.max_disagreement, config.certainty
        )
        threshold, share = certified.threshold, certified.share
        callback.record("cascade", vars(certified) | {"texts": len(texts)})
        callback.show("hand_over", _curve(confidences, agrees, config))
        if share > config.max_share:
            raise UserError(
                f"config.max_share: {share:.1%} of the texts have to be handed over so that at "
                f"most {config.max_disagreement:.1%} are answered in another way than by the sure "
                f"model, and at most {config.max_share:.0%} is allowed; raise max_disagreement, or "
                "use a better cheap model"
            )

    def write(folder: Path) -> None:
        for name, source in zip((cascade.CHEAP, cascade.SURE), inputs.sources, strict=True):
            shutil.copytree(source.path, folder / name)
        cascade.write_settings(folder, threshold, share)

    facts = vars(inputs.identity()) | {
        "format": cascade.FORMAT,
        "layout": inputs.source.manifest.layout,
        "parameters": sum(source.manifest.parameters for source in inputs.sources),
        "metrics": {
            handed_over_key(HELD_OUT_TRANSFER): share,
            handed_over_key(VAL): float((on_val <= threshold).mean()),
        },
    }
    return write_artifact(out, write, facts)


def _curve(confidences: NDArray[np.float64], agrees: NDArray[np.bool_], config: Config) -> Chart:
    """The disagreement that remains, and its bound, against the share that is handed over."""
    ascending = agrees[confidences.argsort()]
    count = len(ascending)
    points, bounds = [], []
    for share in np.linspace(0, 1, CURVE_POINTS):
        missed = int((~ascending[round(share * count) :]).sum())
        points.append((float(share), missed / count))
        bounds.append((float(share), upper_bound(missed, count, config.certainty)))
    return Chart(
        title="answered by the cheap model, with another label than the sure one's",
        x="share handed over",
        y="share of texts",
        lines={"held-out texts": points, f"{config.certainty:.0%} bound": bounds},
    )

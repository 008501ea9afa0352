"""A teacher loses heads and FFN neurons, a few at a time, and learns from its whole self again.

Each step scores all heads and neurons on training sentences, cuts the least important of all
layers together, and recovers by vanilla distillation from the unpruned teacher. Importance is
`taylor`, the change of the loss to first order if a part were cut (Molchanov et al., 2019,
"Importance Estimation for Neural Network Pruning"; for heads, Michel et al., 2019, "Are Sixteen
Heads Really Better than One?"), or `entropy`: heads by how focused their attention is, neurons by
the magnitude of their weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field

from fincompress.artifact import Artifact, Layout
from fincompress.callbacks import Callback, Chart, Heatmap, after_epochs
from fincompress.compression.distillation import distillation_objective
from fincompress.compression.importance import IMPORTANCE_METHODS
from fincompress.compression.pruning import (
    EncoderSize,
    KeptParts,
    most_important,
    prune_encoder,
    sizes_between,
)
from fincompress.config import Positive, UserError, settings
from fincompress.evaluation.results import VAL_F1
from fincompress.models.encoder import Encoder, parameter_count
from fincompress.models.storage import FORMAT, load_encoder, save_encoder
from fincompress.models.tokenization import load_tokenizer
from fincompress.techniques import Inputs
from fincompress.training.loop import Optimizer, fit, validation_scores

FAMILY = "prune"
FORMATS = (FORMAT,)
MAP_CELL = 64  # neighbouring neurons, in one cell of the map of what was cut

Share = Annotated[float, Field(ge=0, lt=1)]


@settings
class Config:
    """`heads_ratio` and `ffn_ratio` are the shares of the unpruned teacher's heads and of its FFN
    neurons that are gone in the end. Every layer keeps a head, and an FFN width in multiples of
    `ffn_multiple`.

    Each step but the last recovers for `step_epochs`, and the last for the rest of the study's
    epochs. Where they are too few for `steps`, there are fewer steps. `transfer`: whether it
    recovers on the study's transfer set too.
    """

    heads_ratio: Share
    ffn_ratio: Share
    steps: Positive = 3
    step_epochs: Positive = 1
    importance: Literal["taylor", "entropy"] = "taylor"
    scoring_sentences: Positive = 512
    ffn_multiple: Positive = 64
    temperature: Annotated[float, Field(gt=0)] = 2.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.8
    transfer: bool = True
    optimizer: Optimizer = Optimizer(learning_rate=5e-5)


def resolve(config: Config, inputs: Inputs) -> Config:
    teacher, source = inputs.teacher.manifest.layout, inputs.source.manifest.layout
    shapes = [(len(of.layers), of.width, of.head_width) for of in (teacher, source)]
    if shapes[0] != shapes[1]:
        raise UserError(
            "source: must be the teacher or have been pruned from it: "
            "{} layers of width {} with heads of {}, ".format(*shapes[0])
            + "not {} of {} with heads of {}".format(*shapes[1])
        )
    widths = [layer.ffn for layout in (teacher, source) for layer in layout.layers]
    config = replace(
        config,
        ffn_multiple=gcd(config.ffn_multiple, *widths),
        transfer=config.transfer and bool(inputs.transfer),
        steps=min(config.steps, 1 + (inputs.budget.epochs - 1) // config.step_epochs),
    )
    whole, now = (
        EncoderSize.of(teacher, config.ffn_multiple),
        EncoderSize.of(source, config.ffn_multiple),
    )
    end = whole.without(config.heads_ratio, config.ffn_ratio)
    layers = len(source.layers)
    for key, left, has, had in (
        ("heads_ratio", end.heads, now.heads, whole.heads),
        ("ffn_ratio", end.blocks, now.blocks, whole.blocks),
    ):
        asked = getattr(config, key)
        if left > has:
            raise UserError(
                f"config.{key}: the source has lost {1 - has / had:.4f} of its teacher already; "
                f"must be at least that, not {asked}"
            )
        if left < layers:
            what = {"heads_ratio": "heads", "ffn_ratio": f"blocks of {config.ffn_multiple} neurons"}
            raise UserError(
                f"config.{key}: {asked} leaves {left} {what[key]} to {layers} layers; each must "
                "keep one"
            )
    return config


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    train, val = inputs.encoded_splits(config.transfer)
    taught = inputs.teacher_logits(inputs.teacher, config.transfer)
    scored = train.sample(config.scoring_sentences, inputs.seed)
    model = load_encoder(inputs.source)
    whole = EncoderSize.of(inputs.teacher.manifest.layout, config.ffn_multiple)
    start = EncoderSize.of(model.layout, config.ffn_multiple)
    sizes = sizes_between(start, whole.without(config.heads_ratio, config.ffn_ratio), config.steps)
    survivors = [KeptParts.all(layer) for layer in model.layout.layers]
    best = validation_scores(model, val)
    curve = [CurvePoint.of(start, whole, best[VAL_F1], best[VAL_F1], model)]
    done = 0
    for step, size in enumerate(sizes, start=1):
        importance = IMPORTANCE_METHODS[config.importance](model, scored)
        rows = {f"layer {n}": own.tolist() for n, own in enumerate(importance.heads, start=1)}
        title = f"Importance of heads ({config.importance}) before step {step}"
        callback.show(f"importance_step_{step}", Heatmap(title, "head", rows))
        kept = most_important(importance, size, config.ffn_multiple)
        model = prune_encoder(model, kept)
        survivors = [ours.then(later) for ours, later in zip(survivors, kept, strict=True)]
        hurt = validation_scores(model, val)[VAL_F1]
        epochs = config.step_epochs if step < len(sizes) else inputs.budget.epochs - done
        best = fit(
            model,
            distillation_objective(model, taught, config.temperature, config.alpha),
            train,
            val,
            budget=replace(inputs.budget, epochs=epochs),
            optimizer=config.optimizer,
            seed=inputs.seed,
            callback=after_epochs(done, callback),
        )
        best |= {"best_epoch": done + best["best_epoch"]}
        done += epochs
        curve.append(CurvePoint.of(size, whole, hurt, best[VAL_F1], model))
    _show(callback, curve, survivors, inputs.source.manifest.layout)
    return save_encoder(out, model, load_tokenizer(inputs.source), inputs.identity(), best)


@dataclass(frozen=True)
class CurvePoint:
    """One place of the curve: the share of the teacher that is gone, and what is left of it."""

    share_removed: float
    f1_after_cut: float
    f1_recovered: float
    parameters: int

    @classmethod
    def of(
        cls, size: EncoderSize, whole: EncoderSize, hurt: float, recovered: float, model: Encoder
    ) -> "CurvePoint":
        kept = (size.heads / whole.heads + size.blocks / whole.blocks) / 2
        return cls(1 - kept, hurt, recovered, parameter_count(model))


def _show(
    callback: Callback, curve: Sequence[CurvePoint], survivors: Sequence[KeptParts], before: Layout
) -> None:
    """Show the curve, and what was cut, in places of the source's heads and neurons."""

    def line(name: str) -> list[tuple[float, float]]:
        return [(point.share_removed, getattr(point, name)) for point in curve]

    callback.show(
        "pruning_curve",
        Chart(
            title="Validation macro-F1 and parameters against the share removed",
            x="share of the teacher removed (mean of its heads' and its FFN neurons')",
            y="validation macro-F1",
            lines={"recovered": line("f1_recovered"), "just cut": line("f1_after_cut")},
            right_y="parameters, millions",
            right={"parameters": [(share, count / 1e6) for share, count in line("parameters")]},
        ),
    )
    layers = range(1, len(survivors) + 1)
    head_rows, neuron_rows, cuts = {}, {}, {}
    for number, kept, shape in zip(layers, survivors, before.layers, strict=True):
        stays = torch.zeros(shape.ffn)
        stays[list(kept.neurons)] = 1.0
        head_rows[f"layer {number}"] = [float(h in kept.heads) for h in range(shape.heads)]
        neuron_rows[f"layer {number}"] = [
            float(part.mean()) for part in torch.split(stays, MAP_CELL)
        ]
        cuts[f"layer {number}"] = {
            "heads_cut": [h for h in range(shape.heads) if h not in kept.heads],
            "neurons_cut": (stays == 0).nonzero().flatten().tolist(),
            "heads": len(kept.heads),
            "ffn": len(kept.neurons),
        }
    callback.show("cut_map_heads", Heatmap("Heads kept (1) and cut (0)", "head", head_rows))
    title = f"Share of FFN neurons kept, by {MAP_CELL} neighbours"
    callback.show("cut_map_neurons", Heatmap(title, f"{MAP_CELL} neurons", neuron_rows))
    callback.record("cut_map", cuts)
    callback.record("pruning_curve", {"points": [vars(point) for point in curve]})

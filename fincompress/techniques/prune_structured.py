"""Structured pruning: removing attention heads and FFN neurons in steps, each followed by training.

A step measures the importance of all heads and neurons on training sentences, removes the least
important ones of all layers together, and recovers by distillation from the unpruned teacher.

Importance (`compression/importance.py`) is one of

* `taylor`: |sum of weight * gradient|, how much the loss would change to first order if the part
  were removed. Molchanov et al. (2019), "Importance Estimation for Neural Network Pruning"; for
  heads, Michel, Levy and Neubig (2019), "Are Sixteen Heads Really Better than One?"
* `entropy`: for heads, how focused their attention is; for neurons, the norms of their weights.

Objective of the recovery, where the index T means that logits are divided by the temperature T:

    loss = alpha T^2 KL(teacher_T || model_T) + (1 - alpha) cross-entropy(model, labels)
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
    Importance,
    KeptParts,
    most_important,
    prune_encoder,
    sizes_between,
)
from fincompress.config import Positive, UserError, settings
from fincompress.evaluation.results import VAL_F1
from fincompress.models.encoder import Encoder, parameter_count
from fincompress.models.storage import TORCH_FORMAT, load_encoder, save_encoder
from fincompress.models.tokenization import load_tokenizer
from fincompress.techniques import Inputs
from fincompress.training.loop import Optimizer, fit, validation_scores

FAMILY = "prune"
FORMATS = (TORCH_FORMAT,)
MAP_CELL = 64  # neighbouring neurons in a cell of the map that shows what was removed

Share = Annotated[float, Field(ge=0, lt=1)]


@settings
class Config:
    """Settings of structured pruning.

    `heads_ratio`: the share of the unpruned teacher's heads that is removed in the end, 0 to 1. If
    the source has been pruned itself, what it lacks counts.
    `ffn_ratio`: the same for the teacher's FFN neurons.
    `steps`: in how many equal steps they are removed; fewer if the study has too few epochs.
    `step_epochs`: epochs of recovery after each step but the last, which gets the rest of the
    study's epochs.
    `importance`: how parts are scored, `taylor` or `entropy`.
    `scoring_sentences`: training sentences on which they are scored.
    `ffn_multiple`: the FFN width of each layer stays a multiple of this, which suits the blocks in
    which CPUs compute; lowered if it does not divide the source's widths.
    `temperature`: T, by which logits are divided; higher values show the model more of how the
    teacher ranks the other labels.
    `alpha`: the weight of the teacher against the labels, 0 to 1.
    `transfer`: whether the study's transfer set, which has no labels, is learned from too.
    `optimizer`: learning rate, weight decay and the like; see `training.loop.Optimizer`.
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
    """Return `config` with steps, FFN multiple and use of the transfer set resolved.

    Raises `UserError` if the source is no pruned form of the teacher, if it has lost more than is
    to be removed, or if a layer would keep no head or no block of neurons.
    """
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
    _check_ratios(config, teacher, source)
    return config


def _check_ratios(config: Config, teacher: Layout, source: Layout) -> None:
    whole, now = (EncoderSize.of(layout, config.ffn_multiple) for layout in (teacher, source))
    end = whole.without(config.heads_ratio, config.ffn_ratio)
    layers = len(source.layers)
    blocks = f"blocks of {config.ffn_multiple} neurons"
    for key, ratio, unit, end_count, count, whole_count in (
        ("heads_ratio", config.heads_ratio, "heads", end.heads, now.heads, whole.heads),
        ("ffn_ratio", config.ffn_ratio, blocks, end.blocks, now.blocks, whole.blocks),
    ):
        if end_count > count:
            lost = 1 - count / whole_count
            raise UserError(
                f"config.{key}: the source has lost {lost:.4f} of its teacher already; "
                f"must be at least that, not {ratio}"
            )
        if end_count < layers:
            raise UserError(
                f"config.{key}: {ratio} leaves {end_count} {unit} to {layers} layers; each must "
                "keep one"
            )


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    """Prune the source step by step, recovering after each."""
    train, val = inputs.encoded_splits(config.transfer)
    teacher_logits = inputs.teacher_logits(inputs.teacher, config.transfer)
    scoring = train.sample(config.scoring_sentences, inputs.seed)
    model = load_encoder(inputs.source)
    whole = EncoderSize.of(inputs.teacher.manifest.layout, config.ffn_multiple)
    start = EncoderSize.of(model.layout, config.ffn_multiple)
    sizes = sizes_between(start, whole.without(config.heads_ratio, config.ffn_ratio), config.steps)
    survivors = [KeptParts.all(layer) for layer in model.layout.layers]
    best = validation_scores(model, val)
    curve = [CurvePoint.of(start, whole, best[VAL_F1], best[VAL_F1], model)]
    done = 0  # epochs
    for step, size in enumerate(sizes, start=1):
        importance = IMPORTANCE_METHODS[config.importance](model, scoring)
        _show_importance(callback, importance, config.importance, step)
        kept = most_important(importance, size, config.ffn_multiple)
        model = prune_encoder(model, kept)
        survivors = [before.then(now) for before, now in zip(survivors, kept, strict=True)]
        f1_pruned = validation_scores(model, val)[VAL_F1]
        epochs = config.step_epochs if step < len(sizes) else inputs.budget.epochs - done
        best = fit(
            model,
            distillation_objective(model, teacher_logits, config.temperature, config.alpha),
            train,
            val,
            budget=replace(inputs.budget, epochs=epochs),
            optimizer=config.optimizer,
            seed=inputs.seed,
            callback=after_epochs(done, callback),
        )
        best |= {"best_epoch": done + best["best_epoch"]}
        done += epochs
        curve.append(CurvePoint.of(size, whole, f1_pruned, best[VAL_F1], model))
    _show_curve(callback, curve)
    _show_cut_map(callback, survivors, inputs.source.manifest.layout)
    return save_encoder(out, model, load_tokenizer(inputs.source), inputs.identity(), best)


@dataclass(frozen=True)
class CurvePoint:
    """A point of the pruning curve: the model after a step.

    `share_removed`: of the unpruned teacher, the mean of the shares of heads and of FFN neurons.
    `f1_after_cut`: validation macro-F1 right after the step, before training.
    `f1_recovered`: the same after training. `parameters`: how many the model has.
    """

    share_removed: float
    f1_after_cut: float
    f1_recovered: float
    parameters: int

    @classmethod
    def of(
        cls,
        size: EncoderSize,
        whole: EncoderSize,
        f1_after_cut: float,
        f1_recovered: float,
        model: Encoder,
    ) -> "CurvePoint":
        """Return the point of `model`, which is of `size` where the teacher is of size `whole`."""
        kept = (size.heads / whole.heads + size.blocks / whole.blocks) / 2
        return cls(1 - kept, f1_after_cut, f1_recovered, parameter_count(model))


def _show_importance(callback: Callback, importance: Importance, method: str, step: int) -> None:
    rows = {f"layer {n}": scores.tolist() for n, scores in enumerate(importance.heads, start=1)}
    title = f"Importance of heads ({method}) before step {step}"
    callback.show(f"importance_step_{step}", Heatmap(title, "head", rows))


def _show_curve(callback: Callback, curve: Sequence[CurvePoint]) -> None:
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
    callback.record("pruning_curve", {"points": [vars(point) for point in curve]})


def _show_cut_map(callback: Callback, survivors: Sequence[KeptParts], source: Layout) -> None:
    """Show and record which heads and neurons of the source were removed, by their indices."""
    head_rows, neuron_rows, cuts = {}, {}, {}
    for number, (kept, shape) in enumerate(zip(survivors, source.layers, strict=True), start=1):
        name = f"layer {number}"
        stays = torch.zeros(shape.ffn)
        stays[list(kept.neurons)] = 1.0
        head_rows[name] = [float(head in kept.heads) for head in range(shape.heads)]
        neuron_rows[name] = [float(cell.mean()) for cell in torch.split(stays, MAP_CELL)]
        cuts[name] = {
            "heads_cut": [head for head in range(shape.heads) if head not in kept.heads],
            "neurons_cut": (stays == 0).nonzero().flatten().tolist(),
            "heads": len(kept.heads),
            "ffn": len(kept.neurons),
        }
    callback.show("cut_map_heads", Heatmap("Heads kept (1) and cut (0)", "head", head_rows))
    title = f"Share of FFN neurons kept, by {MAP_CELL} neighbours"
    callback.show("cut_map_neurons", Heatmap(title, f"{MAP_CELL} neurons", neuron_rows))
    callback.record("cut_map", cuts)

"""Building: a recipe, with a fingerprint of all that decides the result, and its artifact."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from fincompress.artifact import Artifact, Products, complete_artifact
from fincompress.callbacks import Callback
from fincompress.config import UserError, dump, fingerprint
from fincompress.evaluation.metrics import classification_scores
from fincompress.models.storage import TORCH_FORMAT
from fincompress.runtimes import load_runtime
from fincompress.techniques import Inputs, Technique, load_technique

QUANTIZE = "quantize"
SOURCE_RUNTIME = "torch_eager"
GRAPH = 3  # increased when the code of the encoder or the export gives a recipe another graph


@dataclass(frozen=True)
class Recipe:
    """All that decides what is built.

    `technique`: its module. `config`: the technique's settings, with all defaults filled in.
    `inputs`: artifacts, sentences and budget; their fingerprint covers the whole recipe.
    `data_fingerprint`: of the study's splits.
    """

    technique: Technique
    config: Any
    inputs: Inputs
    data_fingerprint: str

    @property
    def fingerprint(self) -> str:
        """The hash of all that determines the artifact: equal recipes have equal fingerprints."""
        return self.inputs.fingerprint


def plan(inputs: Inputs, config: Any, data_fingerprint: str) -> Recipe:
    """Return the recipe for `inputs`, with its fingerprint: equal recipes give equal artifacts.

    `config` are the technique's settings as written in the variant. The pretrained base is part of
    every fingerprint, because a study fixes it for all variants. Raises `UserError` for settings
    that do not fit the inputs.
    """
    technique = load_technique(inputs.technique)
    resolved = technique.resolve(config, inputs)
    sources = [source.manifest.fingerprint for source in inputs.sources]
    parts = {
        "technique": inputs.technique,
        "config": dump(resolved),
        "budget": {key: value for key, value in dump(inputs.budget).items() if value is not None},
        "seed": inputs.seed,
        "runtime": inputs.runtime,
        **({} if inputs.format == TORCH_FORMAT else {"graph": GRAPH}),
        "notes": inputs.identity().notes,
        "source": sources[0] if len(sources) == 1 else sources,
        "teacher": inputs.teacher.manifest.fingerprint,
        "pretrained": inputs.pretrained.manifest.fingerprint,
        "data": data_fingerprint,
        **({"transfer": inputs.transfer} if getattr(resolved, "transfer", False) else {}),
        **({"held_out": inputs.held_out} if getattr(resolved, "held_out", False) else {}),
    }
    inputs = replace(inputs, fingerprint=fingerprint(parts))
    return Recipe(technique, resolved, inputs, data_fingerprint)


def build(recipe: Recipe, out: Path, callback: Callback) -> Artifact:
    """Run the technique and return the artifact, written to `out`.

    Its manifest gets the validation scores in the runtime that the variant ships with, as
    `val/<score>`. Raises `UserError` if not all linear layers of a quantized model run in INT8.
    """
    inputs, threads = recipe.inputs, torch.get_num_threads()
    with TemporaryDirectory(prefix="fincompress-") as scratch:
        draft = recipe.technique.compress(inputs, recipe.config, Path(scratch) / "draft", callback)
        classifier = load_runtime(inputs.runtime).load(draft, threads)
        if recipe.technique.FAMILY == QUANTIZE:
            _check_int8(load_runtime(classifier.engine).count_products(draft), draft, inputs)
        classes = classifier(inputs.val.texts).argmax(axis=1)  # (n,)
        scores = classification_scores(inputs.val.labels, classes, inputs.val.label_names)
        metrics = draft.manifest.metrics | {f"val/{name}": value for name, value in scores.items()}
        return complete_artifact(draft, out, metrics=metrics)


def _check_int8(products: Products, draft: Artifact, inputs: Inputs) -> None:
    # The number expected is the layout's: a product that is missing in the compiled graph is not
    # among those that are counted in it.
    expected = load_runtime(SOURCE_RUNTIME).count_products(draft).total
    if products != Products(int8=expected, total=expected):
        raise UserError(
            f"{inputs.technique}: all {expected} linear layers must run in INT8 on "
            f"{inputs.runtime}, and {products} matrix products do"
        )

"""A variant and its inputs become a recipe with a fingerprint, and the recipe an artifact."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from fincompress.artifact import Artifact, Products, complete_artifact
from fincompress.callbacks import Callback
from fincompress.config import UserError, dump, fingerprint
from fincompress.evaluation.metrics import classification_scores
from fincompress.models.storage import FORMAT
from fincompress.runtimes import choose_engine, load_runtime
from fincompress.techniques import Inputs, Technique, load_technique

QUANTIZE = "quantize"
SOURCE_RUNTIME = "torch_eager"
GRAPH = 3  # raised when the encoder's or the exporter's code gives a recipe another graph


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what is built. `config` is resolved, `fingerprint` covers it all."""

    technique: Technique
    config: Any
    inputs: Inputs
    data_fingerprint: str

    @property
    def fingerprint(self) -> str:
        return self.inputs.fingerprint


def plan(inputs: Inputs, config: Any, data_fingerprint: str) -> Recipe:
    """Resolve `config` against `inputs` and fix the fingerprint that names the result.

    `pretrained` is part of every fingerprint: it is one of the things a study fixes for all.
    """
    technique = load_technique(inputs.technique)
    resolved = technique.resolve(config, inputs)
    parts = {
        "technique": inputs.technique,
        "config": dump(resolved),
        "budget": dump(inputs.budget),
        "seed": inputs.seed,
        "runtime": inputs.runtime,
        **({} if inputs.format == FORMAT else {"graph": GRAPH}),
        "notes": inputs.identity().notes,
        "source": inputs.source.manifest.fingerprint,
        "teacher": inputs.teacher.manifest.fingerprint,
        "pretrained": inputs.pretrained.manifest.fingerprint,
        "data": data_fingerprint,
        **({"transfer": inputs.transfer} if getattr(resolved, "transfer", False) else {}),
    }
    inputs = replace(inputs, fingerprint=fingerprint(parts))
    return Recipe(technique, resolved, inputs, data_fingerprint)


def build(recipe: Recipe, out: Path, callback: Callback) -> Artifact:
    """Run the technique and return the artifact `out`.

    Its manifest gets the validation scores of the runtime that the variant ships with. Raises
    `UserError` if a quantized model does not run as many matrix products in INT8 as its layout has
    linear layers.
    """
    inputs = recipe.inputs
    with TemporaryDirectory(prefix="fincompress-") as scratch:
        draft = recipe.technique.compress(inputs, recipe.config, Path(scratch) / "draft", callback)
        runtime = load_runtime(inputs.runtime)
        if recipe.technique.FAMILY == QUANTIZE:
            engine = choose_engine(inputs.runtime, draft, torch.get_num_threads())
            _check_int8(load_runtime(engine).count_products(draft), draft, inputs)
        predictor = runtime.load(draft, torch.get_num_threads())
        found = classification_scores(inputs.val.labels, predictor(inputs.val.texts).argmax(1))
        metrics = draft.manifest.metrics | {f"val/{name}": f1 for name, f1 in found.items()}
        return complete_artifact(draft, out, metrics=metrics)


def _check_int8(products: Products, draft: Artifact, inputs: Inputs) -> None:
    # The graph cannot be asked what it should hold: a product that it hides would not be missed.
    expected = load_runtime(SOURCE_RUNTIME).count_products(draft).total
    if products != Products(int8=expected, total=expected):
        raise UserError(
            f"{inputs.technique}: all {expected} linear layers must run in INT8 on "
            f"{inputs.runtime}, and {products} matrix products do"
        )

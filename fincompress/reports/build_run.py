"""MLflow run of a build: its recipe, the progress of its training, and its artifact's metrics."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from fincompress.artifact import MANIFEST, Artifact
from fincompress.build import Recipe
from fincompress.callbacks import Chart, Heatmap
from fincompress.config import dump
from fincompress.machine.memory import peak_memory_mb
from fincompress.reports import plots
from fincompress.runtimes import choose_engine, load_runtime
from fincompress.studies.variants import VariantSpec
from fincompress.tracking import runs
from fincompress.tracking.builds import ARTIFACT_MB, MEMORY_MB
from fincompress.training.device import training_device, training_precision


@dataclass(frozen=True)
class RunCallback:
    """Callback of a build: logs what a technique reports into the open run, and prints epochs.

    `name`: the variant's name, which printed lines start with. `title`: the heading of figures.
    `folder`: where figures are drawn before they are logged.
    """

    name: str
    title: str
    folder: Path

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of epoch `step` and print its loss and validation macro-F1."""
        runs.log_metrics(metrics, step=step)
        shown = {"loss": "train/loss", "validation F1": "val/macro_f1"}
        parts = [f"{name} {metrics[key]:.4f}" for name, key in shown.items() if key in metrics]
        print(f"{self.name}: epoch {step}: {', '.join(parts)}", flush=True)

    def show(self, name: str, figure: Chart | Heatmap) -> None:
        """Draw `figure` and log it as `<name>.png`."""
        self.draw(name, figure)

    def draw(self, name: str, figure: Chart | Heatmap) -> Path:
        """Draw `figure`, log it as `<name>.png`, and return the file."""
        self.folder.mkdir(exist_ok=True)
        file = self.folder / f"{name}.png"
        plots.draw(figure, self.title, file)
        runs.log_file(file)
        return file

    def record(self, name: str, facts: Mapping[str, object]) -> None:
        """Log `facts` as `<name>.json`."""
        runs.log_json(dict(facts), f"{name}.json")


def recipe_facts(spec: VariantSpec, recipe: Recipe) -> dict[str, Any]:
    """Return what decides a build's result, as its run has it in parameters."""
    inputs = recipe.inputs
    return {
        "technique": spec.technique,
        "source": ", ".join(spec.sources),
        "runtime": spec.runtime,
        "config": dump(recipe.config),
        "budget": dump(inputs.budget),
        "seed": inputs.seed,
        "max_length_tokens": inputs.source.manifest.max_length_tokens,
        "data_fingerprint": recipe.data_fingerprint,
    }


def log_recipe(spec: VariantSpec, recipe: Recipe) -> None:
    """Log everything that determines a build's result into the open run, as parameters."""
    machine = {
        "precision": training_precision(),
        "device": training_device().type,
        "threads": torch.get_num_threads(),
    }
    runs.log_config(recipe_facts(spec, recipe) | machine)


def log_artifact(artifact: Artifact, runtime: str) -> str:
    """Log a built artifact's manifest, metrics and fastest engine into the open run.

    Returns the runtime's name or, for a runtime that chooses among engines, their timings on this
    CPU in words.
    """
    manifest, threads = artifact.manifest, torch.get_num_threads()
    runs.log_json(dump(manifest), MANIFEST)
    best = {f"best/{k.removeprefix('val/')}": v for k, v in manifest.metrics.items()}
    engine = choose_engine(runtime, artifact, threads)
    products = load_runtime(engine).count_products(artifact)
    counted = {f"products/{k}": float(v) for k, v in dump(products).items()}
    taken = {ARTIFACT_MB: artifact.size_mb}
    if (memory := peak_memory_mb()) is not None:
        taken[MEMORY_MB] = memory
    runs.log_metrics(best | counted | taken | {"parameters": manifest.parameters})
    rank_engines = getattr(load_runtime(runtime), "rank_engines", None)
    if rank_engines is None:
        runs.set_tag("engine", runtime)
        return runtime
    timings = rank_engines(artifact, threads)
    runs.set_tag("engine", timings[0].label)
    runs.log_json(
        {"threads": threads, "ways": [asdict(timing) for timing in timings]}, "engines.json"
    )
    return "; ".join(map(str, timings))

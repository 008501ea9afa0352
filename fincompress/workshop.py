"""A study and what was asked become registered versions: each found, or built with its sources."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from fincompress.artifact import MANIFEST, Artifact
from fincompress.build import Recipe, build, plan
from fincompress.data import Splits, load_splits
from fincompress.evaluation import plots
from fincompress.experiments import (
    BASE,
    Study,
    VariantSpec,
    load_study,
    load_variants,
    root_of,
)
from fincompress.models.checkpoint import Base, import_checkpoint
from fincompress.spec import dump
from fincompress.techniques import Inputs
from fincompress.tracking import registry, runs
from fincompress.tracking.store import lock, open_store
from fincompress.training import device, precision


@dataclass(frozen=True)
class Options:
    """What was asked, with the defaults of every verb."""

    study: str = "quickstart"
    variant: str = "all"
    data_dir: Path | None = None
    again: bool = False
    promote: bool = True
    dry_run: bool = False
    commit_to: Path | None = None
    asked: Mapping[str, str] = field(default_factory=dict)  # as `mlflow run` would log it


@dataclass
class Workshop:
    """One command's study, variants and data, and the versions it has made or found."""

    options: Options
    study: Study
    variants: Mapping[str, VariantSpec]
    scratch: Path
    versions: dict[str, registry.Version] = field(default_factory=dict)

    @cached_property
    def splits(self) -> Splits:
        from_environment = os.environ.get("FINCOMPRESS_DATA_DIR")
        folder = Path(from_environment) if from_environment else None
        return load_splits(self.study.data, self.options.data_dir or folder)

    @cached_property
    def pretrained(self) -> dict[Base, Artifact]:
        """The study's bases, imported once."""
        return {
            base: import_checkpoint(
                base, self.study.max_length_tokens, self.study.seed, self.scratch / f"base-{place}"
            )
            for place, base in enumerate(dict.fromkeys([self.study.base, self.study.student_base]))
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """Licences and warnings that every run and model of this study carries."""
        bases = (self.study.base.note, self.study.student_base.note)
        return tuple(dict.fromkeys(n for n in (*self.splits.notes, *bases) if n))

    @property
    def note(self) -> str:
        return "\n\n".join(self.notes)

    @property
    def data_line(self) -> str:
        splits = self.splits
        label = " (synthetic)" if splits.synthetic else ""
        sizes = " / ".join(str(len(sentences)) for sentences in splits.parts().values())
        return f"{splits.name}{label}, {sizes}, fingerprint {splits.fingerprint[:16]}"

    def tags(self, stage: str, **more: str) -> dict[str, str]:
        return {"stage": stage, "study": self.study.name, **more}


@contextmanager
def workshop(options: Options) -> Iterator[Workshop]:
    study, variants = load_study(options.study), load_variants()
    open_store()
    with tempfile.TemporaryDirectory(prefix="fincompress-") as scratch:
        yield Workshop(options, study, variants, Path(scratch))


def prepared(shop: Workshop) -> None:
    known = {"fingerprint": shop.splits.fingerprint}
    if runs.find_run("prepare", shop.study.name, **known) is None:
        log_data(shop)
    else:
        print(f"data: {shop.data_line}")


def log_data(shop: Workshop) -> None:
    splits = shop.splits
    sizes = {part: len(sentences) for part, sentences in splits.parts().items()}
    tags = shop.tags("prepare", fingerprint=splits.fingerprint)
    with runs.step("prepare", tags, shop.note):
        runs.log_config({"data": dump(shop.study.data)})
        runs.log_json(
            {"name": splits.name, "fingerprint": splits.fingerprint, "sizes": sizes}, "data.json"
        )
        runs.log_inputs(splits)
        runs.log_metrics({f"sentences/{part}": float(size) for part, size in sizes.items()})
        folder = shop.scratch / "data"
        folder.mkdir()
        for part, sentences in splits.parts().items():
            sentences.frame().to_csv(folder / f"{part}.csv", index=False)
        plots.class_distribution(splits, folder / "class_distribution.png")
        runs.log_folder(folder)
    print(f"data: {shop.data_line}")


def build_all(shop: Workshop, wanted: Iterable[str]) -> None:
    for name in wanted:
        _version(shop, name, again=shop.options.again)


def _version(shop: Workshop, name: str, again: bool = False) -> registry.Version:
    """Return the variant's version for today's recipe: found, or built with its sources."""
    if name not in shop.versions:
        spec = shop.variants[name]
        recipe = _recipe(shop, spec)
        with lock(f"{shop.study.name}/{name}"):  # a second process waits, and then reuses
            found = None if again else registry.find(shop.study, spec, recipe.fingerprint)
            if found is None:
                found = _build(shop, spec, recipe)
            else:
                found = registry.renew(shop.study, spec, found)
                print(f"{name}: version {found.number} is up to date")
        shop.versions[name] = found
    return shop.versions[name]


def _recipe(shop: Workshop, spec: VariantSpec) -> Recipe:
    if spec.source == BASE:
        source = teacher = shop.pretrained[shop.study.base]
    else:
        source = _version(shop, spec.source).artifact
        teacher = _version(shop, root_of(shop.variants, spec.name)).artifact
    inputs = Inputs.of(
        shop.splits,
        source=source,
        teacher=teacher,
        pretrained=shop.pretrained[shop.study.student_base],
        budget=shop.study.budget,
        seed=shop.study.seed,
        technique=spec.technique,
    )
    return plan(inputs, spec.config, spec.runtime, shop.splits.fingerprint)


def _build(shop: Workshop, spec: VariantSpec, recipe: Recipe) -> registry.Version:
    def say(epoch: int, metrics: Mapping[str, float]) -> None:
        runs.log_metrics(metrics, step=epoch)
        shown = {"loss": "train/loss", "validation F1": "val/macro_f1"}
        parts = [f"{name} {metrics[key]:.4f}" for name, key in shown.items() if key in metrics]
        print(f"{spec.name}: epoch {epoch}: {', '.join(parts)}", flush=True)

    tags = shop.tags(
        "build",
        variant=spec.name,
        technique=spec.technique,
        fingerprint=recipe.fingerprint,
        synthetic=str(shop.splits.synthetic).lower(),
    )
    with runs.step(spec.name, tags, shop.note):
        runs.log_config(
            {
                "technique": spec.technique,
                "source": spec.source,
                "runtime": spec.runtime,
                "config": dump(recipe.config),
                "budget": dump(shop.study.budget),
                "seed": shop.study.seed,
                "max_length_tokens": shop.study.max_length_tokens,
                "data_fingerprint": shop.splits.fingerprint,
                "precision": precision(),
                "device": device().type,
            }
        )
        # The registry keeps the folder under the name it has here.
        artifact = build(recipe, shop.scratch / spec.name / registry.ARTIFACT, say)
        runs.log_json(dump(artifact.manifest), MANIFEST)
        best = {f"best/{k.removeprefix('val/')}": v for k, v in artifact.manifest.metrics.items()}
        runs.log_metrics(best)
        return registry.publish(shop.study, spec, artifact)

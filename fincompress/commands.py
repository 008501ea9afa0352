"""Each verb: what is asked becomes runs, registered versions, measurements and aliases."""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fincompress.artifact import MANIFEST, Artifact
from fincompress.build import Recipe, build, plan
from fincompress.data import Splits, load_splits
from fincompress.evaluation import plots
from fincompress.evaluation.benchmark import FLOOR, Subject, measure
from fincompress.evaluation.environment import environment
from fincompress.evaluation.measurement import Benchmark, Samples, with_speedups
from fincompress.evaluation.report import frame, markdown, save_tables
from fincompress.experiments import (
    BASE,
    Study,
    VariantSpec,
    load_study,
    load_variants,
    root_of,
    select,
)
from fincompress.models.checkpoint import Base, import_checkpoint
from fincompress.promotion import ROLES, TEACHER, decide
from fincompress.spec import UserError, dump, parse
from fincompress.techniques import Inputs
from fincompress.tracking import registry, runs
from fincompress.tracking.store import lock, open_store
from fincompress.training import device, precision

RESULTS = "benchmark_results.json"
RAW = "latency_raw.json"


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
            for place, base in enumerate({self.study.base, self.study.student_base})
        }

    @property
    def note(self) -> str:
        """Licences and warnings that every run and model of this study carries."""
        bases = (self.study.base.note, self.study.student_base.note)
        return "\n\n".join(dict.fromkeys(n for n in (*self.splits.notes, *bases) if n))

    def tags(self, stage: str, **more: str) -> dict[str, str]:
        return {"stage": stage, "study": self.study.name, **more}


@contextmanager
def workshop(options: Options) -> Iterator[Workshop]:
    study, variants = load_study(options.study), load_variants()
    open_store()
    with tempfile.TemporaryDirectory(prefix="fincompress-") as scratch:
        yield Workshop(options, study, variants, Path(scratch))


def main(options: Options) -> None:
    """The whole study: prepare, build every variant, benchmark, promote."""
    with workshop(options) as shop, _command(shop, "main"):
        _prepared(shop)
        _build_all(shop, shop.variants)
        with runs.step("benchmark", shop.tags("benchmark"), shop.note):
            _measure_all(shop)


def prepare(options: Options) -> None:
    """Read, clean and split the data, and log it."""
    with workshop(options) as shop:
        _log_data(shop)


def build_family(family: str, options: Options) -> None:
    """Build the variants of a family, and first whatever they are built from."""
    with workshop(options) as shop:
        wanted = select(shop.variants, options.variant, family)
        with _command(shop, family):
            _prepared(shop)
            _build_all(shop, wanted)


def benchmark(options: Options) -> None:
    """Measure every variant, building what is missing, and promote."""
    with workshop(options) as shop, runs.step("benchmark", shop.tags("benchmark"), shop.note):
        _prepared(shop)
        _build_all(shop, shop.variants)
        _measure_all(shop)


def promote(options: Options) -> None:
    """Decide again from the study's last measurements."""
    with workshop(options) as shop:
        result = _last_benchmark(shop.study)[1]
        _promote(shop, result)


def report(options: Options) -> None:
    """Print the study's last measurements, and write them where asked."""
    study = load_study(options.study)
    open_store()
    run_id, result = _last_benchmark(study)
    print(markdown(result, _roles(study, result)))
    if options.commit_to is not None:
        folder = options.commit_to / study.name
        folder.mkdir(parents=True, exist_ok=True)
        save_tables(result, folder, _roles(study, result))
        for name in (RESULTS, RAW):
            text = runs.read_run_file(run_id, name)
            (folder / name).write_text(text, encoding="utf-8")
        print(f"\nwritten to {folder}")


def recover(options: Options) -> None:
    """Close the runs of processes that are gone."""
    open_store()
    closed = runs.recover()
    print("\n".join(f"closed {name}" for name in closed) or "no run was left open")


@contextmanager
def _command(shop: Workshop, name: str) -> Iterator[None]:
    """The run of a command that consists of several steps; it ends with the versions."""
    tags = {"study": shop.study.name}
    asked = {"study": shop.study.name, "variant": shop.options.variant, "again": shop.options.again}
    with runs.step(f"{name} {shop.study.name}", tags, shop.study.description):
        runs.log_config(asked, "options.json")
        yield
        found = {name: version.number for name, version in shop.versions.items()}
        runs.log_json(found, "versions.json")
    for version in shop.versions.values():
        f1 = version.artifact.manifest.metrics["val/macro_f1"]
        alias = shop.variants[version.variant].alias
        print(f"{version.model_name}@{alias}: version {version.number}, validation F1 {f1:.4f}")


def _prepared(shop: Workshop) -> None:
    known = {"fingerprint": shop.splits.fingerprint}
    if runs.find_run("prepare", shop.study.name, **known) is None:
        _log_data(shop)


def _log_data(shop: Workshop) -> None:
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
    label = " (synthetic)" if splits.synthetic else ""
    print(f"data: {splits.name}{label}, {sizes}, fingerprint {splits.fingerprint[:16]}")


def _build_all(shop: Workshop, wanted: Iterable[str]) -> None:
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
                registry.point_variant(shop.study, spec)
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
    return plan(inputs, spec.config, shop.splits.fingerprint)


def _build(shop: Workshop, spec: VariantSpec, recipe: Recipe) -> registry.Version:
    def say(epoch: int, metrics: Mapping[str, float]) -> None:
        runs.log_metrics(metrics, step=epoch)
        loss, f1 = metrics["train/loss"], metrics["val/macro_f1"]
        print(f"{spec.name}: epoch {epoch}: loss {loss:.4f}, validation F1 {f1:.4f}", flush=True)

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


def _measure_all(shop: Workshop) -> None:
    """Measure each variant and the floor in child runs of the open run, then promote."""
    timing = shop.study.benchmark
    facts = environment(timing.threads)
    runs.log_config({"benchmark": dump(timing), "environment": facts}, "benchmark_config.json")
    subjects = [
        Subject(v.variant, v.number, shop.variants[v.variant].runtime, v.artifact)
        for v in shop.versions.values()
    ]
    measured, samples = [], {}
    for subject in [*subjects, FLOOR]:
        print(f"benchmark: {subject.variant}", flush=True)
        result, samples[subject.variant] = measure(subject, shop.splits, timing)
        measured.append(result)
    benchmark = Benchmark(
        study=shop.study.name,
        synthetic=shop.splits.synthetic,
        notes=tuple(shop.note.split("\n\n")),
        environment=facts,
        measurements=with_speedups(measured, TEACHER),
    )
    _log_measurements(shop, benchmark)
    _log_benchmark(shop, benchmark, samples)
    if shop.options.promote:
        _promote(shop, benchmark)
    print(markdown(benchmark, _roles(shop.study, benchmark)))


def _log_measurements(shop: Workshop, benchmark: Benchmark) -> None:
    for m in benchmark.measurements:
        version = shop.versions.get(m.variant)
        with runs.step(m.variant, shop.tags("benchmark", variant=m.variant), shop.note):
            runs.log_config({"runtime": m.runtime, "version": m.version})
            ends = {
                f"{name}_{end}": value
                for name, interval in m.intervals.items()
                for end, value in zip(("low", "high"), interval, strict=True)
            }
            runs.log_metrics(m.metrics | ends, model_id=version.model_id if version else None)


def _log_benchmark(shop: Workshop, benchmark: Benchmark, samples: Mapping[str, Samples]) -> None:
    folder = shop.scratch / "benchmark"
    folder.mkdir()
    save_tables(benchmark, folder)
    (folder / RESULTS).write_text(json.dumps(dump(benchmark), indent=2) + "\n", encoding="utf-8")
    raw = {name: dump(taken) for name, taken in samples.items()}
    (folder / RAW).write_text(json.dumps(raw) + "\n", encoding="utf-8")
    plots.f1_against_latency(benchmark, folder / "f1_against_latency.png")
    plots.latency_distributions(benchmark, samples, folder / "latency_distributions.png")
    runs.log_folder(folder)
    runs.leaderboard(frame(benchmark), "leaderboard.json")
    runs.set_tag("measured", "all")  # by which `report` and `promote` find it


def _promote(shop: Workshop, benchmark: Benchmark) -> None:
    """Decide, record the decision as a run, and then move the role aliases."""
    candidates = [m for m in benchmark.measurements if m.version is not None]
    decision = decide(candidates, shop.study.gate)
    numbers = {m.variant: m.version for m in candidates}
    dry = shop.options.dry_run
    before = registry.aliases(shop.study)
    with runs.step("promote", shop.tags("promote", dry_run=str(dry).lower()), shop.note):
        runs.log_config({"gate": dump(shop.study.gate)}, "gate.json")
        runs.log_json(asdict(decision), "decision.json")
        runs.log_text(decision.explain() + "\n", "decision.txt")
        if not dry:
            for role in ROLES:
                number = numbers.get(decision.roles.get(role, ""))
                if number is not None:
                    registry.set_alias(shop.study, role, number)
                elif role in before:
                    registry.drop_alias(shop.study, role)
    print(decision.explain())
    print("dry run: no alias was moved" if dry else f"aliases of {shop.study.model_name} are set")


def _last_benchmark(study: Study) -> tuple[str, Benchmark]:
    run_id = runs.find_run("benchmark", study.name, measured="all")
    if run_id is None:
        raise UserError(
            f"study '{study.name}' has not been measured yet; run: fincompress benchmark "
            f"--study {study.name}"
        )
    data: Any = json.loads(runs.read_run_file(run_id, RESULTS))
    return run_id, parse(Benchmark, data, f"run {run_id}: {RESULTS}")


def _roles(study: Study, benchmark: Benchmark) -> dict[str, str]:
    """The roles that the measured versions hold now."""
    by_number = {m.version: m.variant for m in benchmark.measurements if m.version is not None}
    now = registry.aliases(study)
    return {role: by_number[now[role]] for role in ROLES if now.get(role) in by_number}

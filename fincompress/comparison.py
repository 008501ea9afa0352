"""Registered versions become measurements, a decision, and the role aliases."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fincompress.evaluation import plots
from fincompress.evaluation.benchmark import FLOOR, Subject, measure
from fincompress.evaluation.environment import environment
from fincompress.evaluation.measurement import (
    VAL_F1,
    Benchmark,
    Samples,
    labelled,
    with_speedups,
)
from fincompress.evaluation.report import frame, markdown, save_tables
from fincompress.experiments import BASE, Study
from fincompress.export import export
from fincompress.promotion import ROLES, TEACHER, decide
from fincompress.reporting import Chart
from fincompress.spec import UserError, dump, parse
from fincompress.tracking import registry, runs
from fincompress.workshop import Workshop

RESULTS = "benchmark_results.json"
RAW = "latency_raw.json"


def measure_all(shop: Workshop) -> None:
    """Measure each variant and the floor in child runs of the open run, then promote."""
    timing = shop.study.benchmark
    facts = environment(timing.threads)
    runs.log_config({"benchmark": dump(timing), "environment": facts}, "benchmark_config.json")
    subjects = [
        Subject(v.variant, v.number, shop.variants[v.variant].runtime, v.artifact)
        for v in shop.versions.values()
    ]
    sources, exported = _references(shop)
    subjects += [*exported.values(), FLOOR]
    print(f"benchmark: {', '.join(subject.variant for subject in subjects)}", flush=True)
    results = measure(subjects, shop.splits, timing)
    measured = [measurement for measurement, _ in results]
    samples = {measurement.variant: taken for measurement, taken in results}
    benchmark = Benchmark(
        study=shop.study.name,
        synthetic=shop.splits.synthetic,
        notes=shop.notes,
        environment=facts,
        measurements=with_speedups(measured, TEACHER, sources),
    )
    _log_measurements(shop, benchmark)
    _log_benchmark(shop, benchmark, samples)
    if shop.options.promote:
        promote_best(shop.study, benchmark)
    print(markdown(benchmark, roles_now(shop.study, benchmark)))


def _references(shop: Workshop) -> tuple[dict[str, str], dict[str, Subject]]:
    """Name, for each variant made from another, the measurement of that one in the same runtime.

    A source that ships with another runtime is exported: the second mapping holds these.
    """
    sources, exported = {}, {}
    for spec in (shop.variants[name] for name in shop.versions):
        if spec.source == BASE:
            continue
        name = spec.source
        if shop.variants[spec.source].runtime != spec.runtime:
            name = f"{spec.source}@{spec.runtime}"
            if name not in exported:
                source = shop.versions[spec.source].artifact
                artifact = export(source, spec.runtime, shop.scratch / name)
                exported[name] = Subject(name, None, spec.runtime, artifact)
        sources[spec.name] = name
    return sources, exported


def _distillation_curves(shop: Workshop) -> Chart:
    """Validation F1 and soft loss by epoch of every distilled student, in one figure."""

    def curves(metric: str, label: str) -> dict[str, list[tuple[float, float]]]:
        return {
            f"{name}, {label}": points
            for name, version in shop.versions.items()
            if shop.variants[name].family == "distill"
            and (points := runs.history(version.run_id, metric))
        }

    return Chart(
        title="Knowledge distillation",
        x="epoch",
        y="validation macro-F1",
        lines=curves(VAL_F1, "macro-F1"),
        right_y="soft loss",
        right=curves("train/soft_loss", "soft loss"),
    )


def _log_measurements(shop: Workshop, benchmark: Benchmark) -> None:
    for m in benchmark.measurements:
        version = shop.versions.get(m.variant)
        with runs.step(m.variant, shop.tags("benchmark", variant=m.variant), shop.note):
            runs.log_config({"runtime": m.runtime} | ({"version": m.version} if version else {}))
            runs.log_metrics(m.flat(), model_id=version.model_id if version else None)


def _log_benchmark(shop: Workshop, benchmark: Benchmark, samples: Mapping[str, Samples]) -> None:
    folder = shop.scratch / "benchmark"
    folder.mkdir()
    save_tables(benchmark, folder)
    (folder / RESULTS).write_text(json.dumps(dump(benchmark), indent=2) + "\n", encoding="utf-8")
    raw = {name: dump(taken) for name, taken in samples.items()}
    (folder / RAW).write_text(json.dumps(raw) + "\n", encoding="utf-8")
    plots.f1_against_latency(benchmark, folder / "f1_against_latency.png")
    plots.latency_distributions(benchmark, samples, folder / "latency_distributions.png")
    title = labelled(shop.study.name, benchmark.synthetic)
    plots.draw(_distillation_curves(shop), title, folder / "distillation_curves.png")
    runs.log_folder(folder)
    runs.leaderboard(frame(benchmark), "leaderboard.json")
    runs.set_tag("measured", "all")  # by which `report` and `promote` find it


def promote_best(study: Study, benchmark: Benchmark, dry_run: bool = False) -> None:
    """Decide, record the decision as a run, and then move the role aliases.

    Raises `UserError`, before any alias moves, if a measured version is gone.
    """
    candidates = [m for m in benchmark.measurements if m.version is not None]
    decision = decide(candidates, study.gate)
    numbers = {m.variant: m.version for m in candidates}
    gone = set(numbers.values()) - registry.version_numbers(study)
    if gone:
        raise UserError(
            f"{study.model_name}: version {min(n for n in gone if n)} was measured and is gone; "
            f"run: fincompress benchmark --study {study.name}"
        )
    before = registry.aliases(study)
    heading = labelled(f"decision for {study.name}", benchmark.synthetic)
    explained = f"{heading}\n{decision.explain()}"
    tags = {"stage": "promote", "study": study.name, "dry_run": str(dry_run).lower()}
    with runs.step("promote", tags, "\n\n".join(benchmark.notes)):
        runs.log_config({"gate": dump(study.gate)}, "gate.json")
        facts = {"study": study.name, "synthetic": benchmark.synthetic}
        runs.log_json(facts | asdict(decision), "decision.json")
        runs.log_text(explained + "\n", "decision.txt")
        if not dry_run:
            for role in ROLES:
                number = numbers.get(decision.roles.get(role, ""))
                if number is not None:
                    registry.set_alias(study, role, number)
                elif role in before:
                    registry.drop_alias(study, role)
    print(explained)
    print("dry run: no alias was moved" if dry_run else f"aliases of {study.model_name} are set")


def last_benchmark(study: Study) -> tuple[str, Benchmark]:
    run_id = runs.find_run("benchmark", study.name, measured="all")
    if run_id is None:
        raise UserError(
            f"study '{study.name}' has not been measured yet; run: fincompress benchmark "
            f"--study {study.name}"
        )
    data: Any = json.loads(runs.read_run_file(run_id, RESULTS))
    return run_id, parse(Benchmark, data, f"run {run_id}: {RESULTS}")


def roles_now(study: Study, benchmark: Benchmark) -> dict[str, str]:
    """The roles that the measured versions hold now."""
    by_number = {m.version: m.variant for m in benchmark.measurements if m.version is not None}
    now = registry.aliases(study)
    return {role: by_number[now[role]] for role in ROLES if now.get(role) in by_number}

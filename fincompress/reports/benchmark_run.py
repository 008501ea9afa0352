"""What a benchmark logs into its MLflow run: tables, raw timings, answers, plots, model cards."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from fincompress.callbacks import Chart
from fincompress.config import dump
from fincompress.data.behaviour import Family
from fincompress.evaluation.error_analysis import (
    confusion_by_variant,
    disagreements_with_teacher,
    reliability_by_variant,
)
from fincompress.evaluation.results import VAL_F1, Answers, Benchmark, Samples, mark_synthetic
from fincompress.promotion import TEACHER
from fincompress.reports import plots
from fincompress.reports.behaviour_tables import BEHAVIOUR_PLOT, behaviour_frame, failed_cases
from fincompress.reports.model_card import MODEL_CARD, model_card
from fincompress.reports.tables import benchmark_files, benchmark_frame
from fincompress.studies.study import Study
from fincompress.studies.variants import VariantSpec
from fincompress.tracking import registry, runs
from fincompress.tracking.registry import Version
from fincompress.tracking.results import ANSWERS, RAW, RESULTS, benchmark_kind


def log_benchmark(
    study: Study,
    benchmark: Benchmark,
    answers: Answers,
    samples: Mapping[str, Samples],
    *,
    families: Sequence[Family],
    specs: Mapping[str, VariantSpec],
    versions: Mapping[str, Version],
    data: Mapping[str, str],
    scratch: Path,
) -> str:
    """Log a benchmark into the open run, each measurement into a child run of it.

    After everything is logged, the measurements are added to the model cards of registered
    versions. `answers`: the logits of each variant. `samples`: the raw timings by variant or peer.
    `families`: the behavioural tests that were answered. `specs`, `versions`: by variant. `data`:
    facts for the model cards, by title. `scratch`: a folder for temporary files. Returns the URL of
    MLflow's comparison of the variants.
    """
    logged = _log_measurements(study, benchmark, versions)
    folder = scratch / "benchmark"
    folder.mkdir()
    _write_tables(folder, benchmark, samples)
    plots.latency_distributions(benchmark, samples, folder / "latency_distributions.png")
    plots.throughput(benchmark, folder / "throughput.png")
    if answers.logits:
        _write_answers(folder, benchmark, answers, specs, versions)
    if benchmark.behaviour:
        names = list(benchmark.behaviour[0].shares)
        failed = failed_cases(families, answers, names)
        failed.to_csv(folder / "behaviour_failures.csv", index=False)
        plots.behaviour(benchmark, folder / BEHAVIOUR_PLOT)
        runs.leaderboard(behaviour_frame(benchmark.behaviour), "behaviour.json")
    runs.log_folder(folder)
    runs.leaderboard(benchmark_frame(benchmark), "leaderboard.json")
    runs.set_tag("measured", benchmark_kind(benchmark.random_weights))
    _complete_cards(study, benchmark, specs, versions, data, scratch / MODEL_CARD)
    return runs.comparison_url([logged[name] for name in specs if name in logged])


def _log_measurements(
    study: Study, benchmark: Benchmark, versions: Mapping[str, Version]
) -> dict[str, str]:
    """Log each measurement into a run of its own; return their ids by variant or peer."""
    note, logged = "\n\n".join(benchmark.notes), dict[str, str]()
    for m in benchmark.measurements:
        version = versions.get(m.variant)
        tags = {"stage": "benchmark", "study": study.name, "variant": m.variant}
        with runs.step(m.variant, tags, note) as logged[m.variant]:
            config = {"runtime": m.runtime, "precision": m.precision}
            runs.log_config(config | ({"version": m.version} if m.version else {}))
            if m.unreliable:
                runs.set_tag("unreliable", m.unreliable)
            runs.log_metrics(m.flat(), model_id=version.model_id if version else None)
    return logged


def _write_tables(folder: Path, benchmark: Benchmark, samples: Mapping[str, Samples]) -> None:
    for name, text in benchmark_files(benchmark).items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / RESULTS).write_text(json.dumps(dump(benchmark), indent=2) + "\n", encoding="utf-8")
    raw = {name: dump(timings) for name, timings in samples.items()}
    (folder / RAW).write_text(json.dumps(raw) + "\n", encoding="utf-8")


def _write_answers(
    folder: Path,
    benchmark: Benchmark,
    answers: Answers,
    specs: Mapping[str, VariantSpec],
    versions: Mapping[str, Version],
) -> None:
    """Write the logits, and the figures and the table of the quality that they have."""
    (folder / ANSWERS).write_text(json.dumps(dump(answers)) + "\n", encoding="utf-8")
    plots.f1_against_latency(benchmark, folder / "f1_against_latency.png")
    title = mark_synthetic(benchmark.study, benchmark.synthetic)
    if (curves := _distillation_curves(specs, versions)).lines:
        plots.draw(curves, title, folder / "distillation_curves.png")
    names = [name for name in versions if name in answers.logits]
    plots.reliability_diagrams(
        reliability_by_variant(answers, names),
        title,
        folder / "reliability.png",
        len(answers.label_names),
    )
    plots.confusion_matrices(
        confusion_by_variant(answers, names),
        title,
        folder / "confusion.png",
        answers.label_names,
    )
    table = disagreements_with_teacher(answers, TEACHER, names)
    table.to_csv(folder / "disagreements.csv", index=False)
    runs.leaderboard(table, "disagreements.json")


def _distillation_curves(
    specs: Mapping[str, VariantSpec], versions: Mapping[str, Version]
) -> Chart:
    """Return a chart of validation macro-F1 and soft loss by epoch of every distilled student."""

    def curves(metric: str, label: str) -> dict[str, list[tuple[float, float]]]:
        return {
            f"{name}, {label}": points
            for name, version in versions.items()
            if specs[name].family == "distill" and (points := runs.history(version.run_id, metric))
        }

    return Chart(
        title="Knowledge distillation",
        x="epoch",
        y="validation macro-F1",
        lines=curves(VAL_F1, "macro-F1"),
        right_y="soft loss",
        right=curves("train/soft_loss", "soft loss"),
    )


def _complete_cards(
    study: Study,
    benchmark: Benchmark,
    specs: Mapping[str, VariantSpec],
    versions: Mapping[str, Version],
    data: Mapping[str, str],
    file: Path,
) -> None:
    """Add the measurements to the model cards of registered versions."""
    for m in benchmark.measurements:
        version = versions.get(m.variant)
        if version and version.number:
            spec, manifest = specs[m.variant], version.artifact.manifest
            text = model_card(study, spec, manifest, data, m, benchmark.environment)
            file.write_text(text, encoding="utf-8")
            registry.update_description(study, version, file)

"""Extra seeds and ablations: the study built again, and one table of what that gave."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from fincompress.benchmark.environment import read_environment
from fincompress.benchmark.tfidf import FLOOR_NAME, fit_floor
from fincompress.callbacks import Chart
from fincompress.commands.benchmark import training_seconds
from fincompress.commands.builder import Builder
from fincompress.commands.epochs import epoch_seconds
from fincompress.commands.keeping import InRun
from fincompress.commands.workspace import describe_scored
from fincompress.config import UserError, dump, fingerprint
from fincompress.evaluation.behaviour import behaviour_parts, score_behaviour
from fincompress.evaluation.metrics import classification_scores
from fincompress.evaluation.quality import (
    Quality,
    collect_answers,
    compare_variants,
    quality_metrics,
    shares_handed_over,
)
from fincompress.evaluation.results import (
    PUBLISHED_F1,
    TEST,
    TEST_F1,
    Answers,
    with_interval_ends,
)
from fincompress.evaluation.seed_results import SeedTable, SeedTableRow
from fincompress.promotion import TEACHER
from fincompress.reports import plots
from fincompress.reports.seed_tables import seed_frame, seed_markdown, table_files
from fincompress.runtimes import Predictor, load_runtime
from fincompress.runtimes.cascade import Cascade
from fincompress.studies.study import Study
from fincompress.studies.variants import Curve, VariantSpec, siblings
from fincompress.tracking import runs
from fincompress.tracking.results import ABLATIONS, FILE, SEEDS
from fincompress.training.loop import Budget

SHORT = 3  # so many names of ablations are the name of a file
SHOWN = ("cpu", "instruction_sets", "cores", "threads", "torch", "onnxruntime", "commit")
MILLION = 1e6  # from which on a curve's x is shown in millions


def variants_beside(
    variants: Mapping[str, VariantSpec], ablations: Mapping[str, VariantSpec]
) -> list[str]:
    """Return the variants that a table of `ablations` shows beside them; the teacher is one."""
    beside = {spec.beside for spec in ablations.values()} | {TEACHER}
    return [name for name in variants if name in beside]


def build_seeds(builder: Builder, count: int, wanted: Collection[str]) -> list[Builder]:
    """Return a builder for each of `count` seeds from the study's own on, with `wanted` built.

    Only the versions of the first seed are registered; those of others are kept in their runs.
    """
    workspace, builders = builder.workspace, [builder]
    builder.build(wanted)
    first = workspace.study.seed
    for seed in range(first + 1, first + count):
        other = Builder(
            replace(
                workspace,
                study=replace(workspace.study, seed=seed),
                scratch=workspace.scratch / f"seed-{seed}",
                kept_elsewhere=dict.fromkeys(workspace.variants, InRun()),
            ),
            failed=builder.failed,
        )
        tags = workspace.tags("seed", seed=str(seed))
        with runs.step(f"seed {seed}", tags, workspace.note):
            other.build(wanted)
        builders.append(other)
    return builders


def tabulate_seeds(builders: Sequence[Builder]) -> None:
    """Log and print one table of all variants over the seeds of `builders`."""
    workspace = builders[0].workspace
    rows = {name: Beside(workspace.sources.get(name, "")) for name in workspace.variants}
    _tabulate(
        SEEDS, SEEDS, builders, {**rows, FLOOR_NAME: Beside("")}, siblings(workspace.variants)
    )


def tabulate_ablations(
    builders: Sequence[Builder], ablations: Mapping[str, VariantSpec], *, whole: bool
) -> None:
    """Build `ablations` for the seeds of `builders`, and log and print one table of them.

    It has the variants that they stand beside, too. A table of all ablations (`whole`) replaces the
    last one of all, a table of some the last one of the same.
    """
    workspace, names = builders[0].workspace, sorted(ablations)
    marks = [] if whole else names if len(names) <= SHORT else [fingerprint(names)]
    file = "-".join([ABLATIONS, *marks])
    with runs.step(ABLATIONS, workspace.tags(ABLATIONS), workspace.note):
        widened = [_with_ablations(builder, ablations) for builder in builders]
        for builder in widened:
            builder.build(ablations)
        _draw_curves(widened[0], ablations)
        _time_epochs(widened[0], ablations)
        rows = {name: Beside("") for name in variants_beside(workspace.variants, ablations)}
        rows |= {name: Beside(spec.beside, spec.question) for name, spec in ablations.items()}
        _tabulate(ABLATIONS, file, widened, rows)


@dataclass(frozen=True)
class Beside:
    """What one row of a table is compared with: `variant`, or "" for nothing but the teacher.

    `question`: what an ablation asks.
    """

    variant: str
    question: str = ""


def _with_ablations(builder: Builder, ablations: Mapping[str, VariantSpec]) -> Builder:
    """A builder of the same versions that knows the ablations too, and keeps them in their runs."""
    workspace = builder.workspace
    return Builder(
        replace(
            workspace,
            variants={**workspace.variants, **ablations},
            scratch=workspace.scratch / ABLATIONS,
            kept_elsewhere={**workspace.kept_elsewhere, **dict.fromkeys(ablations, InRun())},
        ),
        versions=dict(builder.versions),
        failed=builder.failed,
    )


def _tabulate(
    stage: str,
    file: str,
    builders: Sequence[Builder],
    rows: Mapping[str, Beside],
    pairs: Sequence[tuple[str, str]] = (),
) -> None:
    """Log the table of `rows` as files named `file`, with a child run for each, and print it.

    What is not there for every seed is left out.
    """
    workspace, facts = builders[0].workspace, read_environment(torch.get_num_threads())
    built = set.intersection(*({FLOOR_NAME, *builder.versions} for builder in builders))
    rows = {
        name: beside if beside.variant in built else replace(beside, variant="")
        for name, beside in rows.items()
        if name in built
    }
    pairs = [pair for pair in pairs if built.issuperset(pair)]
    with runs.step(f"{file} table", workspace.tags(stage, **{FILE: file}), workspace.note):
        answers, shares = zip(*(_answers(builder, rows) for builder in builders), strict=True)
        qualities, behaviour = score_behaviour(workspace.families, answers, TEACHER)
        table = SeedTable(
            study=workspace.study.name,
            synthetic=workspace.splits.synthetic,
            notes=workspace.notes,
            environment={key: facts[key] for key in SHOWN if key in facts}
            | describe_scored(workspace),
            seeds=tuple(builder.workspace.study.seed for builder in builders),
            runs={
                str(builder.workspace.study.seed): {
                    name: v.run_id for name, v in builder.versions.items()
                }
                for builder in builders
            },
            rows=tuple(
                _row(
                    workspace.study, answers, name, beside, qualities.get(name, ({}, {}))
                ).with_means([own[name] for own in shares])
                for name, beside in rows.items()
            ),
            behaviour=behaviour,
            pairs=tuple(
                compare_variants(answers, *pair, training_seconds(builders[0], pair))
                for pair in pairs
            ),
        )
        for row in table.rows:
            with runs.step(row.variant, workspace.tags(stage, variant=row.variant), workspace.note):
                runs.log_config({"beside": row.beside, "question": row.question})
                for seed, f1 in zip(table.seeds, row.macro_f1, strict=True):
                    runs.log_metrics({f"seed/{TEST_F1}": f1}, step=seed)
                runs.log_metrics(with_interval_ends(row.metrics, row.intervals))
        for path, text in table_files(table, file).items():
            runs.log_text(text, path)
        for seed, given in zip(table.seeds, answers, strict=True):
            runs.log_json(dump(given), f"answers_seed_{seed}.json")
        runs.leaderboard(seed_frame(table), f"{file}_table.json")
    print(seed_markdown(table, file))


def _answers(
    builder: Builder, wanted: Collection[str]
) -> tuple[Answers, dict[str, dict[str, float]]]:
    """What the `wanted` answer, variants and floor; and by name, what shares a cascade hands over.

    The shares are empty for what is no cascade.
    """
    workspace = builder.workspace
    parts, train = workspace.scored, workspace.splits.learned
    asked = {part: sentences.texts for part, sentences in parts.items()}
    asked |= behaviour_parts(workspace.families)

    def load(name: str) -> Predictor:
        if name == FLOOR_NAME:
            return fit_floor(train.texts, train.labels)
        runtime = load_runtime(workspace.variants[name].runtime)
        return runtime.load(builder.versions[name].artifact, torch.get_num_threads())

    logits, shares = dict[str, dict[str, NDArray[np.float32]]](), dict[str, dict[str, float]]()
    for name in wanted:
        predictor = load(name)
        logits[name] = {part: predictor(texts) for part, texts in asked.items()}
        handed_over = dict[str, NDArray[np.bool_]]()
        if isinstance(predictor, Cascade):
            handed_over = {part: predictor.hands_over(asked[part]) for part in parts}
        shares[name] = shares_handed_over(handed_over, parts)
    return collect_answers(parts, logits), shares


def _row(
    study: Study, answers: Sequence[Answers], name: str, beside: Beside, behaviour: Quality
) -> SeedTableRow:
    metrics, intervals = quality_metrics(answers, name, TEACHER, beside.variant or None)
    metrics, intervals = metrics | behaviour[0], intervals | behaviour[1]
    if name in study.published:
        metrics[PUBLISHED_F1] = study.published[name]
    each = [
        classification_scores(one.labels[TEST], one.predicted(name, TEST), one.label_names)[
            "macro_f1"
        ]
        for one in answers
    ]
    return SeedTableRow(
        variant=name, beside=beside.variant, question=beside.question, macro_f1=tuple(each),
        metrics=metrics, intervals=intervals,
    )  # fmt: skip


def _draw_curves(builder: Builder, ablations: Mapping[str, VariantSpec]) -> None:
    """Draw the curves that ablations name, those of one figure together."""
    figures: dict[str, tuple[Curve, dict[str, list[tuple[float, float]]]]] = {}
    for name, spec in ablations.items():
        if spec.curve is None or name not in builder.versions:
            continue
        try:
            line = _read_curve(builder.versions[name].run_id, spec.curve)
        except UserError as error:  # which is no reason to lose the table
            print(f"{name}: without its curve: {error}", flush=True)
        else:
            figures.setdefault(spec.curve.figure, (spec.curve, {}))[1][name] = line
    for figure, (curve, lines) in figures.items():
        large = any(x >= MILLION for line in lines.values() for x, _ in line)
        if large:
            lines = {name: [(x / MILLION, y) for x, y in line] for name, line in lines.items()}
        x, y = curve.x.replace("_", " "), curve.y.replace("_", " ")
        chart = Chart(
            title=f"{y} against {x}", x=f"{x}, millions" if large else x, y=y, lines=lines
        )
        workspace = builder.workspace
        file = workspace.scratch / f"{figure}.png"
        plots.draw(chart, workspace.labelled(workspace.study.name), file)
        runs.log_file(file)


def _read_curve(run_id: str, curve: Curve) -> list[tuple[float, float]]:
    """The points that a build has recorded; raises `UserError` if they are not as `curve` says."""
    text = runs.read_run_file(run_id, curve.file)
    try:
        return [
            (float(point[curve.x]), float(point[curve.y])) for point in json.loads(text)["points"]
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"run {run_id}: {curve.file}: must hold 'points' with the numbers '{curve.x}' and "
            f"'{curve.y}' ({type(error).__name__}: {error})"
        ) from None


def _time_epochs(builder: Builder, ablations: Mapping[str, VariantSpec]) -> None:
    """Time an epoch of each ablation that asks for it, and of the variant that it stands beside."""
    workspace = builder.workspace
    budget = Budget(epochs=1, patience=1, batch_size=workspace.study.budget.batch_size)
    for name, spec in ablations.items():
        if spec.timed_epoch is None or not {name, spec.beside} <= builder.versions.keys():
            continue
        beside = builder.recipe(workspace.variants[spec.beside], budget)
        same = {"batch_size": budget.batch_size} if "batch_size" in spec.timed_epoch else {}
        ablation = builder.recipe(spec.tuned({**spec.timed_epoch, **same}), budget)
        builder.import_bases()
        first, second = epoch_seconds([beside, ablation])
        seconds = {spec.beside: first, name: second, "ratio": second / first}
        runs.log_metrics({f"epoch_seconds/{key}": value for key, value in seconds.items()})
        print(
            f"an epoch of {len(beside.inputs.train)} sentences in batches of {budget.batch_size}, "
            f"{torch.get_num_threads()} threads: {spec.beside} {first:.1f} s, {name} "
            f"{second:.1f} s, {second / first:.2f} times as long"
        )

"""A study becomes the same study for several seeds, and its ablations: one table of what came."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from fincompress.benchmark.environment import environment
from fincompress.benchmark.tfidf import NAME as FLOOR
from fincompress.benchmark.tfidf import fit_floor
from fincompress.callbacks import Chart
from fincompress.commands.benchmark import trained_seconds
from fincompress.commands.builder import build_all, make_recipe
from fincompress.commands.epochs import epoch_seconds
from fincompress.commands.workspace import Workshop
from fincompress.config import dump, fingerprint
from fincompress.evaluation.metrics import scores
from fincompress.evaluation.quality import collect_answers, compare_pair, quality
from fincompress.evaluation.results import EXTRA_FILE, PUBLISHED_F1, TEST, TEST_F1, Answers, flat
from fincompress.evaluation.seed_results import Row, SeedTable
from fincompress.promotion import TEACHER
from fincompress.reports import plots
from fincompress.reports.seed_tables import seed_frame, seed_markdown, table_files
from fincompress.runtimes import load_runtime
from fincompress.studies.study import Study
from fincompress.studies.variants import VariantSpec, siblings
from fincompress.tracking import runs
from fincompress.tracking.results import ABLATIONS, FILE, SEEDS

SHORT = 3  # so many names of ablations are the name of a file
PRUNED = "prune_structured"
TRAINER = "finetune_trainer"
SHOWN = ("cpu", "instruction_sets", "cores", "threads", "torch", "onnxruntime", "commit")


def build_seeds(shop: Workshop, count: int) -> list[Workshop]:
    """Return a workshop for each seed from the study's own on, with every variant built.

    Only the first one's become versions; those of others are kept in their runs.
    """
    first, found = shop.study.seed, [shop]
    build_all(shop, shop.variants)
    for seed in range(first + 1, first + count):
        study = replace(shop.study, seed=seed)
        other = shop.beside(f"seed-{seed}", study=study, unregistered=frozenset(shop.variants))
        with runs.step(f"seed {seed}", shop.tags("seed", seed=str(seed)), shop.note):
            build_all(other, shop.variants)
        found.append(other)
    return found


def tabulate_seeds(shops: Sequence[Workshop]) -> None:
    """Log and print one table of all variants over the seeds of `shops`."""
    rows = {name: Asked(shops[0].sources().get(name, "")) for name in shops[0].variants}
    _tabulate(SEEDS, SEEDS, shops, {**rows, FLOOR: Asked("")}, siblings(shops[0].variants))


def tabulate_ablations(
    shops: Sequence[Workshop], ablations: Mapping[str, VariantSpec], *, whole: bool
) -> None:
    """Build `ablations` for the seeds of `shops`, and log and print one table of them.

    It also has the variants that they stand beside. One of all ablations (`whole`) takes the place
    of the last of all, one of some that of the last of the same.
    """
    first, names = shops[0], sorted(ablations)
    marks = [] if whole else names if len(names) <= SHORT else [fingerprint(names)]
    file = "-".join([ABLATIONS, *marks])
    with runs.step(ABLATIONS, first.tags(ABLATIONS), first.note):
        widened = [
            shop.beside(
                ABLATIONS,
                variants={**shop.variants, **ablations},
                unregistered=shop.unregistered | set(ablations),
                versions=dict(shop.versions),
            )
            for shop in shops
        ]
        for shop in widened:
            build_all(shop, ablations)
        _draw_cliff(widened[0], ablations)
        _compare_epochs(widened[0], ablations)
        beside = {spec.beside for spec in ablations.values()} | {TEACHER}
        rows = {name: Asked("") for name in first.variants if name in beside}
        rows |= {name: Asked(spec.beside, spec.question) for name, spec in ablations.items()}
        _tabulate(ABLATIONS, file, widened, rows)


@dataclass(frozen=True)
class Asked:
    """What one row of a table is compared with, and the question that it answers."""

    beside: str
    question: str = ""


def _tabulate(
    stage: str,
    file: str,
    shops: Sequence[Workshop],
    rows: Mapping[str, Asked],
    pairs: Sequence[tuple[str, str]] = (),
) -> None:
    """Log the table of `rows` as files named `file`, with a child run for each, and print it.

    What is not there for every seed is left out.
    """
    shop, facts = shops[0], environment(torch.get_num_threads())
    there = set.intersection(*({FLOOR, *each.versions} for each in shops))
    rows = {
        name: asked if asked.beside in there else replace(asked, beside="")
        for name, asked in rows.items()
        if name in there
    }
    pairs = [pair for pair in pairs if there.issuperset(pair)]
    facts |= {EXTRA_FILE: shop.extra_facts()} if shop.extra else {}
    with runs.step(f"{file} table", shop.tags(stage, **{FILE: file}), shop.note):
        answers = [_answers(each, rows) for each in shops]
        table = SeedTable(
            study=shop.study.name,
            synthetic=shop.splits.synthetic,
            notes=shop.notes,
            environment={key: facts[key] for key in (*SHOWN, EXTRA_FILE) if key in facts},
            seeds=tuple(each.study.seed for each in shops),
            runs={
                str(each.study.seed): {name: v.run_id for name, v in each.versions.items()}
                for each in shops
            },
            rows=tuple(_row(shop.study, answers, name, asked) for name, asked in rows.items()),
            pairs=tuple(
                compare_pair(answers, *pair, trained_seconds(shop, pair)) for pair in pairs
            ),
        )
        for row in table.rows:
            with runs.step(row.variant, shop.tags(stage, variant=row.variant), shop.note):
                runs.log_config({"beside": row.beside, "question": row.question})
                for seed, f1 in zip(table.seeds, row.macro_f1, strict=True):
                    runs.log_metrics({f"seed/{TEST_F1}": f1}, step=seed)
                runs.log_metrics(flat(row.metrics, row.intervals))
        for path, text in table_files(table, file).items():
            runs.log_text(text, path)
        for one, each in zip(answers, shops, strict=True):
            runs.log_json(dump(one), f"answers_seed_{each.study.seed}.json")
        runs.leaderboard(seed_frame(table), f"{file}_table.json")
    print(seed_markdown(table, file))


def _answers(shop: Workshop, wanted: Collection[str]) -> Answers:
    """What those of the `wanted` that there are answer, variants and floor."""
    parts, train = shop.answered(), shop.splits.train

    def logits(name: str) -> dict[str, NDArray[np.float32]]:
        if name == FLOOR:
            predictor = fit_floor(train.texts, train.labels)
        else:
            runtime = load_runtime(shop.variants[name].runtime)
            predictor = runtime.load(shop.versions[name].artifact, torch.get_num_threads())
        return {part: predictor(own.texts) for part, own in parts.items()}

    return collect_answers(parts, {name: logits(name) for name in wanted})


def _row(study: Study, answers: Sequence[Answers], name: str, asked: Asked) -> Row:
    metrics, intervals = quality(answers, name, TEACHER, asked.beside or None)
    if name in study.published:
        metrics[PUBLISHED_F1] = study.published[name]
    each = [scores(one.labels[TEST], one.predicted(name, TEST))["macro_f1"] for one in answers]
    return Row(
        variant=name, beside=asked.beside, question=asked.question, macro_f1=tuple(each),
        metrics=metrics, intervals=intervals,
    )  # fmt: skip


def _draw_cliff(shop: Workshop, ablations: Mapping[str, VariantSpec]) -> None:
    """Draw the curves of all pruned ablations in one figure: where each falls off."""
    lines = {}
    for name, spec in ablations.items():
        if spec.technique == PRUNED and name in shop.versions:
            text = runs.read_run_file(shop.versions[name].run_id, "pruning_curve.json")
            points = json.loads(text)["points"]
            lines[name] = [(p["parameters"] / 1e6, p["f1_recovered"]) for p in points]
    if lines:
        file = shop.scratch / "pruning_cliff.png"
        file.parent.mkdir(exist_ok=True)
        chart = Chart(
            title="Validation macro-F1 against parameters, step by step",
            x="parameters, millions",
            y="validation macro-F1",
            lines=lines,
        )
        plots.draw(chart, shop.labelled(shop.study.name), file)
        runs.log_file(file)


def _compare_epochs(shop: Workshop, ablations: Mapping[str, VariantSpec]) -> None:
    """Time an epoch of our loop and of Hugging Face's Trainer, on the study's base and data."""
    spec = next((spec for spec in ablations.values() if spec.technique == TRAINER), None)
    if spec is None or spec.name not in shop.versions:
        return
    inputs, size = make_recipe(shop, spec).inputs, shop.study.budget.batch_size
    ours, theirs = epoch_seconds(inputs, batch_size=size)
    times = {"ours": ours, "trainer": theirs, "ratio": theirs / ours}
    runs.log_metrics({f"epoch_seconds/{name}": value for name, value in times.items()})
    print(
        f"an epoch of {len(inputs.train)} sentences in batches of {size}, "
        f"{torch.get_num_threads()} threads: {ours:.1f} s, by Trainer {theirs:.1f} s, "
        f"{theirs / ours:.2f} times as long"
    )

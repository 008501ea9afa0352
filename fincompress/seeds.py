"""A study becomes the same study for several seeds, and its ablations: one table of what came."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import torch

from fincompress.evaluation import plots
from fincompress.evaluation.environment import environment
from fincompress.evaluation.epochs import epoch_seconds
from fincompress.evaluation.floor import NAME as FLOOR
from fincompress.evaluation.floor import fit_floor
from fincompress.evaluation.measurement import (
    PUBLISHED_F1,
    TEST,
    TEST_F1,
    VAL,
    Answers,
    flat,
    over,
)
from fincompress.evaluation.metrics import scores
from fincompress.evaluation.quality import gather, quality
from fincompress.evaluation.repeated import Pair, Repeated, Row, rows_frame, rows_markdown, written
from fincompress.experiments import Study, VariantSpec, load_ablations
from fincompress.promotion import TEACHER
from fincompress.reporting import Chart
from fincompress.runtimes import Predictor, load_runtime
from fincompress.spec import parse
from fincompress.tracking import runs
from fincompress.workshop import Workshop, build_all, make_recipe

SEEDS, ABLATIONS = "seeds", "ablations"  # stages, and names of files
PRUNE, CURVE = "prune", "pruning_curve.json"  # a family, and what its techniques record
SHOWN = ("cpu", "instruction_sets", "cores", "threads", "torch", "onnxruntime", "commit")


def by_seed(shop: Workshop, count: int) -> list[Workshop]:
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


def repeat(shop: Workshop, shops: Sequence[Workshop]) -> None:
    """Log and print one table of all variants over the seeds of `shops`."""
    with runs.step(SEEDS, shop.tags(SEEDS), shop.note):
        answers = [_answers(each) for each in shops]
        names = list(answers[0].logits)
        pairs = _siblings(shop.variants, names)
        _log(shop, shops, SEEDS, answers, names, shop.sources(), pairs=pairs)


def ablate(shop: Workshop, shops: Sequence[Workshop]) -> None:
    """Build the study's ablations for the seeds of `shops`, and log and print one table of them."""
    ablations = load_ablations(shop.variants)
    with runs.step(ABLATIONS, shop.tags(ABLATIONS), shop.note):
        answers = []
        for each in shops:
            own = each.beside(
                ABLATIONS,
                variants={**each.variants, **ablations},
                unregistered=each.unregistered | set(ablations),
                versions=dict(each.versions),
            )
            build_all(own, ablations)
            answers.append(_answers(own))
            if each is shops[0]:
                _draw_cliff(own, ablations)
                _compare_epochs(own, ablations)
        beside = {name: spec.beside for name, spec in ablations.items()}
        questions = {name: spec.question for name, spec in ablations.items()}
        _log(shop, shops, ABLATIONS, answers, list(ablations), beside, questions)


def _draw_cliff(shop: Workshop, ablations: Mapping[str, VariantSpec]) -> None:
    """Draw the curves of all pruned ablations in one figure: where each falls off."""
    lines = {}
    for name, spec in ablations.items():
        if spec.family == PRUNE:
            recorded = json.loads(runs.read_run_file(shop.versions[name].run_id, CURVE))
            lines[name] = [(p["share_removed"], p["f1_recovered"]) for p in recorded["points"]]
    if lines:
        file = shop.scratch / "pruning_cliff.png"
        chart = Chart(
            title="Validation macro-F1 against the share removed",
            x="share of the teacher removed (mean of its heads' and its FFN neurons')",
            y="validation macro-F1",
            lines=lines,
        )
        plots.draw(chart, shop.labelled(shop.study.name), file)
        runs.log_file(file)


def _compare_epochs(shop: Workshop, ablations: Mapping[str, VariantSpec]) -> None:
    """Time an epoch of our loop and of Hugging Face's Trainer, on the study's base and data."""
    for spec in ablations.values():
        if spec.technique == "finetune_trainer":
            inputs = make_recipe(shop, spec).inputs
            size = shop.study.budget.batch_size
            ours, theirs = epoch_seconds(inputs, batch_size=size)
            times = {"ours": ours, "trainer": theirs, "ratio": theirs / ours}
            runs.log_metrics({f"epoch_seconds/{name}": value for name, value in times.items()})
            print(
                f"an epoch of {len(inputs.train)} sentences in batches of {size}, "
                f"{torch.get_num_threads()} threads: {ours:.1f} s, by Trainer {theirs:.1f} s, "
                f"{theirs / ours:.2f} times as long"
            )
            return


def last_table(study: Study, stage: str) -> Repeated | None:
    """Return the table of the last seeds, or ablations; None if there is none."""
    run_id = runs.find_run(stage, study.name, table="true")
    if run_id is None:
        return None
    data: Any = json.loads(runs.read_run_file(run_id, f"{stage}.json"))
    return parse(Repeated, data, f"run {run_id}: {stage}.json")


def _answers(shop: Workshop) -> Answers:
    """What every version of a workshop answers, and the floor."""
    parts, train = shop.answered(), shop.splits.train
    predictors: dict[str, Predictor] = {
        name: load_runtime(shop.variants[name].runtime).load(
            version.artifact, torch.get_num_threads()
        )
        for name, version in shop.versions.items()
    }
    predictors[FLOOR] = fit_floor(train.texts, train.labels)
    logits = {
        name: {part: predictor(sentences.texts) for part, sentences in parts.items()}
        for name, predictor in predictors.items()
    }
    return gather(parts, logits)


def _siblings(variants: Mapping[str, VariantSpec], names: Sequence[str]) -> list[tuple[str, str]]:
    """Variants of one source and family, the later one first: which of two ways is better."""
    known = [variants[name] for name in names if name in variants]
    alike = [(a, b) for a, b in combinations(known, 2)
             if (a.source, a.family) == (b.source, b.family)]  # fmt: skip
    return [(b.name, a.name) for a, b in alike]


def _log(
    shop: Workshop,
    shops: Sequence[Workshop],
    stage: str,
    answers: Sequence[Answers],
    names: Sequence[str],
    beside: Mapping[str, str],
    questions: Mapping[str, str] | None = None,
    pairs: Sequence[tuple[str, str]] = (),
) -> None:
    """Log the table of `names` into the open run, with a child run for each, and print it."""
    facts = environment(torch.get_num_threads())
    table = Repeated(
        study=shop.study.name,
        synthetic=shop.splits.synthetic,
        notes=shop.notes,
        environment={key: facts[key] for key in SHOWN if key in facts},
        seeds=tuple(each.study.seed for each in shops),
        rows=tuple(
            _row(shop, answers, name, beside.get(name, ""), (questions or {}).get(name, ""))
            for name in names
        ),
        pairs=tuple(_pair(answers, *pair) for pair in pairs),
    )
    for row in table.rows:
        with runs.step(row.variant, shop.tags(stage, variant=row.variant), shop.note):
            runs.log_config({"beside": row.beside, "question": row.question})
            for seed, f1 in zip(table.seeds, row.macro_f1, strict=True):
                runs.log_metrics({TEST_F1: f1}, step=seed)
            runs.log_metrics(flat(row.metrics, row.intervals))
    for file, text in written(table, stage).items():
        runs.log_text(text, file)
    runs.leaderboard(rows_frame(table), f"{stage}_table.json")
    runs.set_tag("table", "true")
    print(rows_markdown(table))


def _row(shop: Workshop, answers: Sequence[Answers], name: str, beside: str, question: str) -> Row:
    metrics, intervals = quality(answers, name, TEACHER, beside or None)
    if name in shop.study.published:
        metrics[PUBLISHED_F1] = shop.study.published[name]
    each = [scores(one.labels[TEST], one.predicted(name, TEST))["macro_f1"] for one in answers]
    return Row(
        variant=name, beside=beside, question=question, macro_f1=tuple(each), metrics=metrics,
        intervals=intervals,
    )  # fmt: skip


def _pair(answers: Sequence[Answers], first: str, second: str) -> Pair:
    metrics, intervals = quality(answers, first, TEACHER, second)
    keys = {part: over("source", part)[0] for part in (VAL, TEST)}
    return Pair(
        first=first,
        second=second,
        differences={part: metrics[key] for part, key in keys.items()},
        intervals={part: intervals[key] for part, key in keys.items()},
    )

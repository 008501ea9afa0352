"""Results page: `docs/results.md` and README's table, written from committed result files."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fincompress.config import UserError, parse
from fincompress.evaluation.results import (
    LATENCY_VS_PUBLISHED,
    PUBLISHED_PEER,
    SIZE,
    TEST_F1,
    THROUGHPUT_VS_PUBLISHED,
    TOLERATED_SHARE,
    Benchmark,
    Measurement,
    batch_vs_published_key,
    measured_loads,
    published_reference,
)
from fincompress.evaluation.seed_results import SeedTable
from fincompress.reports.behaviour_tables import BEHAVIOUR_PLOT, behaviour_markdown
from fincompress.reports.columns import (
    Cell,
    difference_cell,
    markdown_table,
    metric_cell,
    with_interval,
)
from fincompress.reports.seed_tables import seed_markdown
from fincompress.reports.tables import markdown, reference_drift
from fincompress.tracking.results import RESULTS

ROLES_FILE = "roles.json"
FEW_TIMES = 10  # ratios below are shown with a decimal
RANDOM_WEIGHTS = "-random-weights"  # ending of the folder of speeds without training
INTRODUCTION = """\
# Results

This page is written by `fincompress report --study STUDY --commit-to experiments/results`, from the
files in [`experiments/results`](../experiments/results), which also hold every metric as CSV and
JSON and every single timing. Each table is of one commit and one machine, which stand below it.

F1 is macro-F1 on the test split, which chose nothing. In brackets are 95 % intervals: of F1 by the
bootstrap over sentences, of differences (in points of F1) by the paired bootstrap, of speeds by the
bootstrap over rounds in which all models took turns. They are those of these models, and tell
nothing of other seeds. [Benchmark and promotion](benchmark-and-promotion.md) explains the protocol,
and the [glossary](glossary.md) the words.
"""
HEADINGS = {
    "seeds": "Several seeds",
    "ablations": "Ablations: what the parts of the recipe do",
}


@dataclass(frozen=True)
class CommittedResults:
    """The committed results of one study, a folder of `experiments/results`.

    `name`: the folder's name. `benchmark`: the last benchmark, if any. `roles`: the variant that
    held each role at that time, by role. `tables`: the tables over seeds and of ablations, by the
    name of their files. `searches`: the summary of each tuned variant's search, by variant.
    """

    name: str
    benchmark: Benchmark | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, SeedTable] = field(default_factory=dict)
    searches: Mapping[str, str] = field(default_factory=dict)


def read_results(folder: Path) -> list[CommittedResults]:
    """Read the results of every study in `folder`; raise `UserError` for a broken file."""
    return [_read_study(each) for each in sorted(folder.iterdir()) if each.is_dir()]


def _read_study(folder: Path) -> CommittedResults:
    benchmark, roles, tables = None, dict[str, str](), dict[str, SeedTable]()
    for file in sorted(folder.glob("*.json")):
        if file.name == RESULTS:
            benchmark = parse(Benchmark, _read_json(file), str(file))
        elif file.name == ROLES_FILE:
            roles = _read_json(file)
        elif file.stem.startswith(tuple(HEADINGS)):
            tables[file.stem] = parse(SeedTable, _read_json(file), str(file))
    order = sorted(tables, key=lambda name: (list(HEADINGS).index(name.partition("-")[0]), name))
    summaries = sorted(folder.glob("tuning/*/summary.txt"))
    searches = {file.parent.name: file.read_text(encoding="utf-8").rstrip() for file in summaries}
    return CommittedResults(
        folder.name, benchmark, roles, {name: tables[name] for name in order}, searches
    )


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{file}: is not JSON: {error}") from None


def results_page(results: list[CommittedResults]) -> str:
    """Return the text of `docs/results.md`: a section for each study."""
    return "\n".join([INTRODUCTION, *(_section(each) for each in results)])


def results_block(results: CommittedResults) -> str:
    """Return a study's short table, between the marks that `replace_block` looks for.

    Its rows are the registered variants, the published recipe, and other models than theirs: static
    embeddings and the floor. Speeds are ratios to the published recipe, for one text and for the
    largest calls. Below it are what that is, machine, commit, and whether the machine kept its
    speed. Raises `UserError` if the study has no benchmark.
    """
    benchmark = results.benchmark
    if benchmark is None:
        raise UserError(f"{results.name}: has no {RESULTS}")
    measured = benchmark.measurements
    rows = [m for m in measured if m.variant == PUBLISHED_PEER or "@" not in m.variant]
    held: dict[str, list[str]] = {}
    for role, variant in results.roles.items():
        held.setdefault(variant, []).append(role)
    names = {variant: f"{variant} ({', '.join(roles)})" for variant, roles in held.items()}
    facts = benchmark.environment
    sets = facts.get("instruction_sets", "unknown")
    recipe = published_reference([m.variant for m in measured])
    machine = (
        f"Times as fast as `{recipe}`. {facts.get('cpu', 'unknown CPU')} ({sets}), "
        f"{facts.get('threads', '?')} threads, commit {facts.get('commit', 'unknown')}."
    )
    return "\n".join([
        f"<!-- results:{results.name} -->",
        markdown_table(rows, _short_columns(measured), names),
        "",
        machine + _stability(facts),
        "<!-- /results -->",
    ])  # fmt: skip


def _short_columns(measurements: Sequence[Measurement]) -> dict[str, Cell]:
    sizes = measured_loads(measurements, batch_vs_published_key)
    many, key = "in calls", THROUGHPUT_VS_PUBLISHED
    if sizes:
        many, key = f"calls of {sizes[-1]}", batch_vs_published_key(sizes[-1])
    return {
        "test macro-F1": with_interval(TEST_F1),
        "points to the teacher": difference_cell("teacher"),
        "times as fast: one text": metric_cell(LATENCY_VS_PUBLISHED, _times),
        many: metric_cell(key, _times),
        "MB": metric_cell(SIZE, "{:.1f}".format),
    }


def _times(value: float) -> str:
    return f"{value:.1f}" if value < FEW_TIMES else f"{value:,.0f}"


def _stability(facts: Mapping[str, str]) -> str:
    """A sentence on whether the machine kept its speed, empty if that was not measured."""
    drift = reference_drift(facts)
    if drift is None:
        return ""
    moved = f" The reference model's latency moved by {drift:+.0%} during the benchmark"
    if abs(drift) <= TOLERATED_SHARE:
        return f"{moved}."
    return f"{moved}: compare the ratios, not the milliseconds."


def replace_block(page: str, block: str) -> str:
    """Return `page` with `block` in place of the one of the same study, if it has one."""
    mark = block.splitlines()[0]
    pattern = re.compile(re.escape(mark) + r".*?<!-- /results -->", re.DOTALL)
    return pattern.sub(lambda _: block, page)


def _section(results: CommittedResults) -> str:
    study = results.name.removesuffix(RANDOM_WEIGHTS)
    random = results.name != study
    parts = [f"## Study `{study}`" + (", random weights: speed and size alone" if random else "")]
    if results.benchmark is not None:
        options = f"-P study={study}" + (" -P weights=random" if random else "")
        parts += [
            _command(f"mlflow run . -e benchmark {options}"),
            results_block(results),
            "### Everything that the benchmark measured",
            markdown(results.benchmark, results.roles),
        ]
        if results.benchmark.behaviour:
            parts += [
                "### Behavioural tests: what compression loses",
                f"![Share that passes](../experiments/results/{results.name}/{BEHAVIOUR_PLOT})",
                behaviour_markdown(results.benchmark.behaviour),
            ]
    for name, table in results.tables.items():
        kind, _, selected = name.partition("-")
        # Of many selected ablations the file's name has a hash, and the table the names.
        ablations = [row.variant for row in table.rows if row.question] if selected else []
        parts.append(f"### {HEADINGS[kind]}" + (f": {', '.join(ablations)}" if ablations else ""))
        seeds = f" -P seeds={len(table.seeds)}" if len(table.seeds) > 1 else ""
        wanted = f" -P ablations={','.join(ablations) or 'all'}" if kind == "ablations" else ""
        parts.append(_command(f"mlflow run . -e main -P study={study}{seeds}{wanted}"))
        parts.append(seed_markdown(table, name))
        if table.behaviour:
            parts.append(behaviour_markdown(table.behaviour))
    if results.searches:
        parts.append("### Tuning")
    for variant, summary in results.searches.items():
        parts.append(_command(f"mlflow run . -e tune -P study={study} -P variant={variant}"))
        parts.append(f"```text\n{summary}\n```")  # keeps its line breaks
    return "\n\n".join(parts) + "\n"


def _command(text: str) -> str:
    return f"    {text}"

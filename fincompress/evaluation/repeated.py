"""What variants, or ablations, scored over seeds becomes a table: CSV and Markdown."""

import json
from collections.abc import Callable, Mapping
from statistics import stdev

import pandas as pd
from pydantic import Field

from fincompress.evaluation.measurement import (
    ECE,
    ECE_SCALED,
    EXTRA,
    EXTRA_F1,
    PUBLISHED_F1,
    TEST,
    TEST_AGREEMENT,
    TEST_F1,
    VAL_F1,
    Pair,
    flat,
    labelled,
    of_source,
    over,
    points,
)
from fincompress.spec import dump, settings


@settings
class Row:
    """One variant, or an ablation with the question it answers.

    `beside` is its source, or the variant that an ablation changes. `macro_f1` is that on test
    for each seed; `metrics` and `intervals` are over all of them.
    """

    variant: str
    beside: str
    question: str = ""
    macro_f1: tuple[float, ...]
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]


@settings
class Repeated:
    """All of one table, as `seeds.json` or `ablations.json` holds it.

    `runs` has, for each seed, the run in which each variant was built.
    """

    study: str
    synthetic: bool
    notes: tuple[str, ...]
    environment: dict[str, str]
    seeds: tuple[int, ...]
    runs: dict[str, dict[str, str]] = Field(default_factory=dict)
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...] = ()


Cell = Callable[[Row], str]
EXPLAINED = (
    "All figures are means over the seeds, `sd` is the standard deviation over them, in points. "
    "Differences are in points, with 95 % intervals of the paired bootstrap over sentences, which "
    "are those of these seeds; `p` is McNemar's, of several seeds the least, times their number. "
    "`ECE` is the expected calibration error, `scaled` that after temperature scaling."
)


def _f1(key: str) -> Cell:
    def cell(row: Row) -> str:
        if key not in row.metrics:
            return ""
        ends = [f"{end:.3f}" for end in row.intervals.get(key, ())]
        return f"{row.metrics[key]:.3f}" + (f" [{', '.join(ends)}]" if ends else "")

    return cell


def _over(other: str, part: str = TEST) -> Cell:
    key, _ = over(other, part)

    def cell(row: Row) -> str:
        if key not in row.metrics or row.variant == other:
            return ""
        return points(row.metrics[key], row.intervals[key])

    return cell


def _chance(other: str, part: str = TEST) -> Cell:
    _, key = over(other, part)

    def cell(row: Row) -> str:
        return "" if key not in row.metrics or row.variant == other else f"{row.metrics[key]:.2g}"

    return cell


def _plain(key: str, form: str) -> Cell:
    return lambda row: format(row.metrics[key], form) if key in row.metrics else ""


def _columns(table: Repeated) -> dict[str, Cell]:
    origins = sorted(
        {key for row in table.rows for key in row.metrics if key.startswith(of_source(""))}
    )
    several = {
        "sd": lambda row: f"{100 * stdev(row.macro_f1):.1f}",
        "each seed": lambda row: ", ".join(f"{f1:.3f}" for f1 in row.macro_f1),
    }
    return {
        "question": lambda row: row.question,
        "test macro-F1": _f1(TEST_F1),
        **(several if len(table.seeds) > 1 else {}),
        "over teacher": _over("teacher"),
        "p": _chance("teacher"),
        "beside": lambda row: row.beside,
        "over that": _over("source"),
        "p over that": _chance("source"),
        "as teacher": _plain(TEST_AGREEMENT, ".1%"),
        "val macro-F1": _f1(VAL_F1),
        "ECE": _plain(ECE, ".3f"),
        "scaled": _plain(ECE_SCALED, ".3f"),
        **{key.removeprefix(of_source("")): _f1(key) for key in origins},
        "extra macro-F1": _f1(EXTRA_F1),
        "extra over teacher": _over("teacher", EXTRA),
        "extra p": _chance("teacher", EXTRA),
        "published": _plain(PUBLISHED_F1, ".3f"),
    }


def rows_markdown(table: Repeated) -> str:
    """Return the table and, below it, the pairs."""
    columns: Mapping[str, Cell] = _columns(table)
    rows = [{name: cell(row) for name, cell in columns.items()} for row in table.rows]
    used = [name for name in columns if any(row[name] for row in rows)]
    lines = ["| " + " | ".join(["variant", *used]) + " |", "|---" * (1 + len(used)) + "|"]
    for row, cells in zip(table.rows, rows, strict=True):
        lines.append("| " + " | ".join([row.variant, *(cells[name] for name in used)]) + " |")
    seeds = ", ".join(map(str, table.seeds))
    heading = f"{labelled(f'Study `{table.study}`', table.synthetic)}, seeds {seeds}. "
    heading += " ".join([*table.notes, EXPLAINED])
    facts = ", ".join(f"{key} {value}" for key, value in table.environment.items())
    pairs = "\n".join(str(pair) for pair in table.pairs)
    return "\n\n".join(part for part in (heading, "\n".join(lines), pairs, facts) if part)


def written(table: Repeated, name: str) -> dict[str, str]:
    """Return the files that a table is kept in, each with its text."""
    return {
        f"{name}.json": json.dumps(dump(table), indent=2) + "\n",
        f"{name}.md": rows_markdown(table) + "\n",
        f"{name}.csv": rows_frame(table).to_csv(index=False),
    }


def rows_frame(table: Repeated) -> pd.DataFrame:
    """Return one row a variant with every metric, the ends of intervals, and each seed's F1."""
    rows = []
    for row in table.rows:
        each = {
            f"{TEST_F1}_seed_{seed}": f1 for seed, f1 in zip(table.seeds, row.macro_f1, strict=True)
        }
        names = {"variant": row.variant, "beside": row.beside, "question": row.question}
        rows.append({**names, **flat(row.metrics, row.intervals), **each})
    return pd.DataFrame(rows)

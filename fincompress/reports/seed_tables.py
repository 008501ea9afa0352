"""Seed tables: scores of variants or ablations over several seeds, as Markdown, CSV and JSON."""

import json
from statistics import stdev

import pandas as pd

from fincompress.config import dump
from fincompress.evaluation.results import (
    ALL_FAMILIES,
    BEHAVIOUR,
    ECE,
    ECE_SCALED,
    EXTRA,
    EXTRA_F1,
    PUBLISHED_F1,
    TEST,
    TEST_AGREEMENT,
    TEST_F1,
    VAL_F1,
    behaviour_key,
    confident_errors_key,
    handed_over_key,
    mark_synthetic,
    with_interval_ends,
)
from fincompress.evaluation.seed_results import SeedTable
from fincompress.reports.behaviour_tables import behaviour_files
from fincompress.reports.columns import (
    Cell,
    difference_cell,
    markdown_table,
    metric_cell,
    metric_with_interval,
    origin_columns,
    p_value_cell,
    with_interval,
)

EXPLAINED = (
    "All figures are means over the seeds, `sd` is the standard deviation over them, in points. "
    "Differences are in points, with 95 % intervals of the paired bootstrap over sentences, which "
    "are those of these seeds; `p` is McNemar's, of several seeds the least, times their number. "
    "`ECE` is the expected calibration error, `scaled` that after temperature scaling."
)


def _columns(table: SeedTable) -> dict[str, Cell]:
    return {
        "question": lambda row: row.question,
        "test macro-F1": with_interval(TEST_F1),
        "sd": lambda row: f"{100 * stdev(row.macro_f1):.1f}" if len(row.macro_f1) > 1 else "",
        "over teacher": difference_cell("teacher"),
        "p": p_value_cell("teacher"),
        "beside": lambda row: row.beside,
        "over that": difference_cell("source"),
        "p over that": p_value_cell("source"),
        "as teacher": metric_cell(TEST_AGREEMENT, "{:.1%}".format),
        "val macro-F1": with_interval(VAL_F1),
        "ECE": metric_cell(ECE, "{:.3f}".format),
        "scaled": metric_cell(ECE_SCALED, "{:.3f}".format),
        "behavioural tests": metric_with_interval(behaviour_key(ALL_FAMILIES), "{:.1%}".format),
        "confident errors": metric_cell(confident_errors_key(TEST), "{:.1f}".format),
        "in behavioural tests": metric_cell(confident_errors_key(BEHAVIOUR), "{:.0f}".format),
        "handed over": metric_cell(handed_over_key(TEST), "{:.1%}".format),
        "of extra": metric_cell(handed_over_key(EXTRA), "{:.1%}".format),
        **origin_columns(table.rows),
        "extra macro-F1": with_interval(EXTRA_F1),
        "extra over teacher": difference_cell("teacher", EXTRA),
        "extra p": p_value_cell("teacher", EXTRA),
        "published": metric_cell(PUBLISHED_F1, "{:.3f}".format),
    }


def seed_markdown(table: SeedTable, name: str) -> str:
    """Return a table as Markdown: a heading with `name`, the rows, the pairs and the machine."""
    seeds = ", ".join(map(str, table.seeds))
    heading = f"{mark_synthetic(f'Study `{table.study}`', table.synthetic)}: {name}, over {seeds}. "
    heading += " ".join([*table.notes, EXPLAINED])
    facts = ", ".join(f"{key} {value}" for key, value in table.environment.items())
    written_rows = markdown_table(table.rows, _columns(table))
    pairs = "\n".join(str(pair) for pair in table.pairs)
    return "\n\n".join(part for part in (heading, written_rows, pairs, facts) if part)


def table_files(table: SeedTable, name: str) -> dict[str, str]:
    """Return the text of each file of a table, by file name: `<name>.json`, `.md` and `.csv`."""
    return {
        f"{name}.json": json.dumps(dump(table), indent=2) + "\n",
        f"{name}.md": seed_markdown(table, name) + "\n",
        f"{name}.csv": seed_frame(table).to_csv(index=False),
        **behaviour_files(table.behaviour, f"{name}_"),
    }


def seed_frame(table: SeedTable) -> pd.DataFrame:
    """Return one row per variant: every metric, the ends of intervals, and each seed's macro-F1."""
    rows = []
    for row in table.rows:
        each = {
            f"{TEST_F1}_seed_{seed}": f1 for seed, f1 in zip(table.seeds, row.macro_f1, strict=True)
        }
        names = {"variant": row.variant, "beside": row.beside, "question": row.question}
        rows.append({**names, **with_interval_ends(row.metrics, row.intervals), **each})
    return pd.DataFrame(rows)

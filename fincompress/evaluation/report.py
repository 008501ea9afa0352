"""A benchmark becomes tables: CSV for programs, Markdown for people."""

from pathlib import Path
from typing import Any

import pandas as pd

from fincompress.evaluation.measurement import (
    INT8_PRODUCTS,
    P50,
    P95,
    PARAMETERS,
    PRODUCTS,
    SIZE,
    SPEEDUP,
    SPEEDUP_VS_SOURCE,
    TEST_F1,
    THROUGHPUT,
    VAL_F1,
    Benchmark,
    Measurement,
)

SYNTHETIC = "Synthetic corpus: these scores say nothing of real financial text."
ENVIRONMENT_SHOWN = ("cpu", "instruction_sets", "cores", "threads", "torch", "commit")


def frame(benchmark: Benchmark) -> pd.DataFrame:
    """Return one row per variant with every metric and the ends of every interval."""
    rows = []
    for m in benchmark.measurements:
        identity: dict[str, Any] = {
            "study": benchmark.study,
            "synthetic": benchmark.synthetic,
            "variant": m.variant,
            "version": m.version,
            "runtime": m.runtime,
        }
        rows.append(identity | m.flat())
    return pd.DataFrame(rows).astype({"version": "Int64"})


def markdown(benchmark: Benchmark, roles: dict[str, str] | None = None) -> str:
    """Return the table a reader wants, with machine, notes and, if given, the roles."""
    header = [
        "variant",
        "test macro-F1 [95 %]",
        "val macro-F1 [95 %]",
        "p50 ms",
        "p95 ms",
        "sentences/s",
        "MB",
        "parameters",
        "INT8 products",
        "x teacher",
        "x source",
    ]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for m in benchmark.measurements:
        held = [role for role, variant in (roles or {}).items() if variant == m.variant]
        name = f"{m.variant} ({', '.join(held)})" if held else m.variant
        lines.append("| " + " | ".join([name, *_cells(m)]) + " |")
    shown = ", ".join(f"{k} {benchmark.environment[k]}" for k in ENVIRONMENT_SHOWN)
    notes = [SYNTHETIC] if benchmark.synthetic else list(benchmark.notes)
    return "\n".join([f"Study `{benchmark.study}`. {' '.join(notes)}", "", *lines, "", shown])


def save_tables(benchmark: Benchmark, folder: Path, roles: dict[str, str] | None = None) -> None:
    """Write `benchmark_results.csv` and `benchmark_results.md` into `folder`."""
    frame(benchmark).to_csv(folder / "benchmark_results.csv", index=False)
    text = markdown(benchmark, roles) + "\n"
    (folder / "benchmark_results.md").write_text(text, encoding="utf-8")


def _cells(m: Measurement) -> list[str]:
    def number(key: str, pattern: str) -> str:
        return pattern.format(m.metrics[key]) if key in m.metrics else ""

    def with_interval(key: str) -> str:
        low, high = m.intervals[key]
        return f"{m.metrics[key]:.3f} [{low:.3f}, {high:.3f}]"

    products = number(INT8_PRODUCTS, "{:.0f}")
    return [
        with_interval(TEST_F1),
        with_interval(VAL_F1),
        number(P50, "{:.2f}"),
        number(P95, "{:.2f}"),
        number(THROUGHPUT, "{:.0f}"),
        number(SIZE, "{:.1f}"),
        number(PARAMETERS, "{:,.0f}"),
        f"{products} of {m.metrics[PRODUCTS]:.0f}" if products else "",
        number(SPEEDUP, "{:.1f}"),
        number(SPEEDUP_VS_SOURCE, "{:.2f}"),
    ]

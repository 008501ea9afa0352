"""A benchmark becomes tables: CSV for programs, Markdown for people."""

from collections.abc import Callable, Mapping
from math import nan
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
    SPEEDUP_VS_SOURCE,
    TEST_F1,
    THROUGHPUT,
    VAL_F1,
    Benchmark,
)
from fincompress.promotion import TEACHER

SYNTHETIC = "Synthetic corpus: these scores say nothing of real financial text."
ENVIRONMENT_SHOWN = (
    "cpu", "instruction_sets", "cores", "threads", "torch", "onnxruntime", "openvino", "commit",
)  # fmt: skip

Metrics = Mapping[str, float]
Intervals = Mapping[str, tuple[float, float]]
Cell = Callable[[Metrics, Metrics, Intervals], str]  # its own, the teacher's; its own


def _f1(key: str) -> Cell:
    def cell(own: Metrics, teacher: Metrics, intervals: Intervals) -> str:
        low, high = intervals[key]
        return f"{own[key]:.3f} [{low:.3f}, {high:.3f}]"

    return cell


def _cell(key: str, write: Callable[[float, float], str]) -> Cell:
    """A metric as `write` puts it, given the teacher's too; empty if there is none."""
    return lambda own, teacher, _: write(own[key], teacher.get(key, nan)) if key in own else ""


COLUMNS: dict[str, Cell] = {
    "test macro-F1 [95 %]": _f1(TEST_F1),
    "points": _cell(TEST_F1, lambda own, teacher: f"{100 * (own - teacher):+.1f}"),
    "val macro-F1 [95 %]": _f1(VAL_F1),
    "p50 ms": _cell(P50, lambda own, teacher: f"{own:.2f} ({teacher / own:.1f}x)"),
    "p95 ms": _cell(P95, lambda own, _: f"{own:.2f}"),
    "over source": _cell(SPEEDUP_VS_SOURCE, lambda own, _: f"{own:.2f}x"),
    "sentences/s": _cell(THROUGHPUT, lambda own, teacher: f"{own:.0f} ({own / teacher:.1f}x)"),
    "MB": _cell(SIZE, lambda own, teacher: f"{own:.1f} ({own / teacher:.0%})"),
    "parameters": _cell(PARAMETERS, lambda own, _: f"{own:,.0f}"),
    "INT8 products": lambda own, *_: (
        f"{own[INT8_PRODUCTS]:.0f} of {own[PRODUCTS]:.0f}" if PRODUCTS in own else ""
    ),
}


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
    """Return the table a reader wants, with machine, notes and, if given, the roles.

    Relative to the teacher are: `points` of test macro-F1 and, in parentheses, the factor by
    which a variant is faster and the share of its size. `over source` is the speed-up over what
    it was made from, in the same runtime.
    """
    teacher = next(m for m in benchmark.measurements if m.variant == TEACHER)
    lines = ["| " + " | ".join(["variant", *COLUMNS]) + " |", "|---" * (1 + len(COLUMNS)) + "|"]
    for m in benchmark.measurements:
        held = [role for role, variant in (roles or {}).items() if variant == m.variant]
        name = f"{m.variant} ({', '.join(held)})" if held else m.variant
        cells = [cell(m.metrics, teacher.metrics, m.intervals) for cell in COLUMNS.values()]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    facts = benchmark.environment
    shown = ", ".join(f"{key} {facts[key]}" for key in ENVIRONMENT_SHOWN if key in facts)
    notes = [SYNTHETIC] if benchmark.synthetic else list(benchmark.notes)
    return "\n".join([f"Study `{benchmark.study}`. {' '.join(notes)}", "", *lines, "", shown])


def save_tables(benchmark: Benchmark, folder: Path, roles: dict[str, str] | None = None) -> None:
    """Write `benchmark_results.csv` and `benchmark_results.md` into `folder`."""
    frame(benchmark).to_csv(folder / "benchmark_results.csv", index=False)
    text = markdown(benchmark, roles) + "\n"
    (folder / "benchmark_results.md").write_text(text, encoding="utf-8")

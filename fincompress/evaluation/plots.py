"""Splits, measurements and samples become PNG files; the only file that draws."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no display is needed to write a file

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from fincompress.data import LABELS, Splits
from fincompress.evaluation.floor import NAME
from fincompress.evaluation.measurement import P50, TEST_F1, Benchmark, Samples

DPI = 150


def class_distribution(splits: Splits, file: Path) -> None:
    """Bars of the class counts of each part."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for place, (part, sentences) in enumerate(splits.parts().items()):
        counts = [sentences.labels.count(index) for index in range(len(LABELS))]
        spots = [index + 0.28 * (place - 1) for index in range(len(LABELS))]
        bars = axes.bar(spots, counts, width=0.26, label=f"{part} ({len(sentences)})")
        axes.bar_label(
            bars, [f"{count / len(sentences):.0%}" for count in counts], fontsize=8, padding=2
        )
    axes.set_xticks(range(len(LABELS)), LABELS)
    axes.set_ylabel("sentences")
    axes.set_title(f"Class distribution, {_title(splits.name, splits.synthetic)}")
    axes.legend(frameon=False)
    _save(figure, file)


def f1_against_latency(benchmark: Benchmark, file: Path) -> None:
    """Test macro-F1 with its interval against median latency; up and left is better."""
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for m in benchmark.measurements:
        low, high = m.intervals[TEST_F1]
        f1, latency = m.metrics[TEST_F1], m.metrics[P50]
        error = [[f1 - low], [high - f1]]
        mark = "s" if m.variant == NAME else "o"
        axes.errorbar(latency, f1, yerr=error, fmt=mark, capsize=3, label=m.variant)
    axes.legend(frameon=False)
    _log_scale(axes)
    axes.margins(x=0.1)
    axes.set_xlabel("median latency, ms (batch 1, text in, label out, log scale)")
    axes.set_ylabel("test macro-F1, 95 % interval")
    axes.set_title(f"F1 against latency, {_title(benchmark.study, benchmark.synthetic)}")
    axes.grid(alpha=0.3)
    _save(figure, file)


def latency_distributions(benchmark: Benchmark, samples: Mapping[str, Samples], file: Path) -> None:
    """A box for each variant's latencies: quartiles, whiskers at 5 and 95 %, outliers."""
    figure, axes = plt.subplots(figsize=(8, 0.6 * len(samples) + 2), layout="constrained")
    names = list(samples)[::-1]
    axes.boxplot(
        [samples[name].latency_ms for name in names],
        orientation="horizontal",
        tick_labels=names,
        whis=(5, 95),
        widths=0.6,
        flierprops={"marker": ".", "markersize": 2, "alpha": 0.4},
    )
    _log_scale(axes)
    axes.set_xlabel("latency, ms (batch 1, text in, label out, log scale)")
    axes.set_title(f"Latency, {_title(benchmark.study, benchmark.synthetic)}")
    axes.grid(alpha=0.3, axis="x")
    _save(figure, file)


def _log_scale(axes: Axes) -> None:
    """Milliseconds on a log scale, written as plain numbers."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _title(name: str, synthetic: bool) -> str:
    return f"{name} (synthetic)" if synthetic else name


def _save(figure: Figure, file: Path) -> None:
    figure.savefig(file, dpi=DPI)
    plt.close(figure)

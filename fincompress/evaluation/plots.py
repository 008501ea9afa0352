"""Splits, measurements and samples become PNG files; the only file that draws."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")  # no display is needed to write a file

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from fincompress.data import LABELS, Splits
from fincompress.evaluation.floor import NAME
from fincompress.evaluation.measurement import P50, TEST_F1, Benchmark, Samples, labelled
from fincompress.reporting import Chart, Heatmap

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
    axes.set_title(f"Class distribution, {labelled(splits.name, splits.synthetic)}")
    axes.legend(frameon=False)
    _save(figure, file)


def f1_against_latency(benchmark: Benchmark, file: Path) -> None:
    """Test macro-F1 with its interval against median latency; up and left is better."""
    figure, axes = plt.subplots(figsize=(10, 5), layout="constrained")
    for m in benchmark.measurements:
        low, high = m.intervals[TEST_F1]
        f1, latency = m.metrics[TEST_F1], m.metrics[P50]
        error = [[f1 - low], [high - f1]]
        mark = "s" if m.variant == NAME else "o"
        axes.errorbar(latency, f1, yerr=error, fmt=mark, capsize=3, label=m.variant)
    figure.legend(loc="outside right upper", frameon=False)
    _log_scale(axes)
    axes.margins(x=0.1)
    axes.set_xlabel("median latency, ms (batch 1, text in, label out, log scale)")
    axes.set_ylabel("test macro-F1, 95 % interval")
    axes.set_title(f"F1 against latency, {labelled(benchmark.study, benchmark.synthetic)}")
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
    axes.set_title(f"Latency, {labelled(benchmark.study, benchmark.synthetic)}")
    axes.grid(alpha=0.3, axis="x")
    _save(figure, file)


def draw(figure: Chart | Heatmap, of: str, file: Path) -> None:
    """Draw what a technique has shown, with `of` under its title."""
    if isinstance(figure, Chart):
        _chart(figure, of, file)
    else:
        _heatmap(figure, of, file)


def own_style() -> AbstractContextManager[None]:
    """A context in which a library may change the style of what is drawn."""
    return plt.rc_context()


def save_axes(axes: Axes, of: str, file: Path) -> None:
    """Save what a library has drawn, with `of` under its title."""
    title = axes.get_title() or axes.get_title(loc="left")
    axes.set_title("", loc="left")
    axes.set_title(f"{title}\n{of}")
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.set_size_inches(9, 5.5)
    figure.savefig(file, dpi=DPI, bbox_inches="tight")
    plt.close(figure)


def _chart(chart: Chart, of: str, file: Path) -> None:
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for name, points in chart.lines.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    if all(x == int(x) for points in chart.lines.values() for x, _ in points):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(chart.x)
    axes.set_ylabel(chart.y)
    axes.grid(alpha=0.3)
    if chart.right:
        right = axes.twinx()
        for number, (name, points) in enumerate(chart.right.items(), start=len(chart.lines)):
            right.plot(*zip(*points, strict=True), f"C{number}.--", label=name)
        right.set_ylabel(chart.right_y)
    axes.set_title(f"{chart.title}\n{of}")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    _save(figure, file)


def _heatmap(heatmap: Heatmap, of: str, file: Path) -> None:
    longest = max(len(values) for values in heatmap.rows.values())
    cells = np.full((len(heatmap.rows), longest), np.nan)  # layers may be of unlike widths
    for place, values in enumerate(heatmap.rows.values()):
        cells[place, : len(values)] = values
    size = (0.35 * longest + 3, 0.4 * len(heatmap.rows) + 2)
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    image = axes.imshow(cells, aspect="auto", cmap="viridis")
    axes.set_yticks(range(len(heatmap.rows)), list(heatmap.rows))
    axes.set_xlabel(heatmap.x)
    axes.set_title(f"{heatmap.title}\n{of}")
    figure.colorbar(image)
    _save(figure, file)


def _log_scale(axes: Axes) -> None:
    """Milliseconds on a log scale, written as plain numbers."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _save(figure: Figure, file: Path) -> None:
    figure.savefig(file, dpi=DPI)
    plt.close(figure)

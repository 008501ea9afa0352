"""Plots: splits, measurements and samples drawn into PNG files, all in one style."""

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter
from PIL import Image

from fincompress.callbacks import Chart, Heatmap
from fincompress.data import Splits
from fincompress.evaluation.calibration import Bin
from fincompress.evaluation.results import (
    P50,
    SIZE,
    TEST_F1,
    Benchmark,
    Samples,
    batch_throughput_key,
    mark_synthetic,
    measured_loads,
    thread_throughput_key,
)

matplotlib.use("Agg")  # no display is needed to write a file

DPI = 150
COLORS_KEPT = 256  # in a file
BUBBLE = 6.0  # points squared for a MB
ALL_SENTENCES = 300.0  # points squared of a bin that holds them all
GRID_COLUMNS = 3  # of a grid
FEW_LABELS, LONG_LABEL, MOST_OF_A_LABEL = 5, 10, 24  # labels, and letters of one
PAIRS = matplotlib.color_sequences["tab20"]  # dark and light
COLORS = [*PAIRS[::2], *PAIRS[1::2]]


def class_distribution(splits: Splits, file: Path) -> None:
    """Draw the class counts of each part of the data as bars into `file`."""
    names = splits.label_names
    figure, axes = plt.subplots(figsize=(max(7, 1.3 * len(names)), 4), layout="constrained")
    for place, (part, sentences) in enumerate(splits.parts().items()):
        counts = [sentences.labels.count(index) for index in range(len(names))]
        spots = [index + 0.28 * (place - 1) for index in range(len(names))]
        bars = axes.bar(spots, counts, width=0.26, label=f"{part} ({len(sentences)})")
        axes.bar_label(
            bars, [f"{count / len(sentences):.0%}" for count in counts], fontsize=8, padding=2
        )
    _label_axis(axes.xaxis, names)
    axes.set_ylabel("sentences")
    axes.set_title(f"Class distribution, {mark_synthetic(splits.name, splits.synthetic)}")
    axes.legend(frameon=False)
    _save(figure, file)


def f1_against_latency(benchmark: Benchmark, file: Path) -> None:
    """Draw test macro-F1 with its interval against median latency, in ms, into `file`.

    The area of a mark is the size of what is deployed: circles are registered variants, diamonds
    peers, a square the floor. Marks are numbered from the fastest on. The line is the Pareto front.
    A model of random weights has no F1, and is left out.
    """
    figure, axes = plt.subplots(figsize=(10, 5), layout="constrained")
    scored = [m for m in benchmark.measurements if TEST_F1 in m.metrics]
    ordered = sorted(scored, key=lambda m: m.metrics[P50])
    points = [(m.metrics[P50], m.metrics[TEST_F1]) for m in ordered]
    for number, (m, (latency, f1)) in enumerate(zip(ordered, points, strict=True), start=1):
        low, high = m.intervals[TEST_F1]
        mark, color = ("o", "C0") if m.version is not None else ("D", "C1")
        if SIZE not in m.metrics:
            mark, color = "s", "C7"
        area = 60 + BUBBLE * m.metrics.get(SIZE, 0.0)
        axes.scatter(latency, f1, s=area, color=color, marker=mark, alpha=0.5, linewidths=0)
        axes.text(latency, f1, str(number), ha="center", va="center", fontsize=8)
        error = [[f1 - low], [high - f1]]
        axes.errorbar(latency, f1, yerr=error, fmt="none", capsize=2, alpha=0.3, ecolor=color)
        axes.plot([], [], mark, color=color, label=f"{number}  {m.variant}")
    # Dominated: another is at least as fast and at least as good, and not the same point.
    dominated = {p for p in points for q in points if q != p and q[0] <= p[0] and q[1] >= p[1]}
    best = sorted(set(points) - dominated)
    axes.plot(*zip(*best, strict=True), "k:", lw=1, zorder=0, label="Pareto front")
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    _log_scale(axes)
    axes.margins(0.12)
    axes.set_xlabel("median latency of one sentence, ms (text in, label out, log scale)")
    axes.set_ylabel("test macro-F1, 95 % interval")
    of = mark_synthetic(benchmark.study, benchmark.synthetic)
    axes.set_title(f"F1 against latency, areas by size, {of}")
    axes.grid(alpha=0.3)
    _save(figure, file)


def throughput(benchmark: Benchmark, file: Path) -> None:
    """Draw sentences per second against texts in a call, and against threads, into `file`."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), sharey=True, layout="constrained")
    for axes, at, what in (
        (left, batch_throughput_key, "texts in a call"),
        (right, thread_throughput_key, "threads"),
    ):
        places = measured_loads(benchmark.measurements, at)
        for number, m in enumerate(benchmark.measurements):
            rates = [m.metrics.get(at(place), np.nan) for place in places]
            color = COLORS[number % len(COLORS)]
            axes.plot(places, rates, "-o", color=color, label=m.variant)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(places, [str(place) for place in places])
        axes.set_xlabel(what)
        axes.grid(alpha=0.3)
    left.set_ylabel("sentences/s (text in, label out, log scale)")
    names = left.get_legend_handles_labels()
    figure.legend(*names, loc="outside right upper", frameon=False)
    figure.suptitle(f"Throughput, {mark_synthetic(benchmark.study, benchmark.synthetic)}")
    _save(figure, file)


def latency_distributions(benchmark: Benchmark, samples: Mapping[str, Samples], file: Path) -> None:
    """Draw a box plot of each variant's latencies, in ms, into `file`.

    Boxes are quartiles; whiskers are at the 5th and 95th percentile. `samples` has the raw timings,
    by variant.
    """
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
    axes.set_title(f"Latency, {mark_synthetic(benchmark.study, benchmark.synthetic)}")
    axes.grid(alpha=0.3, axis="x")
    _save(figure, file)


def reliability_diagrams(
    bins: Mapping[str, tuple[Sequence[Bin], Sequence[Bin]]], of: str, file: Path, classes: int
) -> None:
    """Draw accuracy against confidence, before and after temperature scaling, by variant.

    `classes` is the number of labels. The area of a mark is the share of sentences in its bin;
    above the diagonal is too modest.
    """
    figure, places = _grid(list(bins), "confidence (area: share of sentences)", "accuracy")
    looks = {"before temperature scaling": ("C0", "-"), "after it": ("C1", "--")}
    for axes, pair in zip(places, bins.values(), strict=True):
        axes.plot([0, 1], [0, 1], "k:", lw=1, zorder=0, label="confidence = accuracy")
        for (name, (color, line)), found in zip(looks.items(), pair, strict=True):
            at = [b.confidence for b in found], [b.accuracy for b in found]
            axes.plot(*at, line, color=color, lw=1.2, label=name)
            total = sum(b.count for b in found)
            areas = [ALL_SENTENCES * b.count / total for b in found]
            axes.scatter(*at, s=areas, color=color, alpha=0.5, linewidths=0)
        axes.set_xlim(1 / classes - 0.03, 1.04)  # the likeliest of k classes has 1 / k or more
        axes.set_ylim(-0.05, 1.08)
        axes.grid(alpha=0.3)
    names = places[0].get_legend_handles_labels()
    ncols = min(len(bins), GRID_COLUMNS)
    figure.legend(*names, loc="outside lower center", ncols=ncols, frameon=False)
    figure.suptitle(f"Reliability, {of}")
    _save(figure, file)


def confusion_matrices(
    matrices: Mapping[str, Sequence[Sequence[int]]],
    of: str,
    file: Path,
    label_names: Sequence[str],
) -> None:
    """Draw the confusion matrix of each variant, one panel each, into `file`.

    Cells have counts by true class, and colour is the share of that class. Classes are indices of
    `label_names`.
    """
    figure, places = _grid(
        list(matrices), "answer", "right class", max(1.0, len(label_names) / FEW_LABELS)
    )
    for axes, matrix in zip(places, matrices.values(), strict=True):
        counts = np.asarray(matrix)
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=color)
        _label_axis(axes.xaxis, label_names)
        _label_axis(axes.yaxis, label_names)
    figure.colorbar(image, ax=places, label="share of the right class", shrink=0.6)
    figure.suptitle(f"Confusion, {of}")
    _save(figure, file)


def behaviour(benchmark: Benchmark, file: Path) -> None:
    """Draw the share that each variant passes of each family as a coloured table into `file`.

    The benchmark must have results of behavioural tests.
    """
    results = benchmark.behaviour
    variants = list(results[0].shares)
    shares = np.array([[result.shares[name] for name in variants] for result in results])
    size = (0.75 * len(variants) + 3.5, 0.2 * len(results) + 2.2)
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    image = axes.imshow(shares, aspect="auto", cmap="RdYlGn", vmin=0, vmax=1)
    for row, column in np.ndindex(shares.shape):
        dark = abs(shares[row, column] - 0.5) > 0.42
        axes.text(
            column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", fontsize=7,
            color="white" if dark else "black",
        )  # fmt: skip
    axes.set_xticks(range(len(variants)), variants, rotation=40, ha="left", fontsize=8)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(results)), [result.family for result in results], fontsize=7)
    of = mark_synthetic(benchmark.study, benchmark.synthetic)
    axes.set_title(f"Behavioural tests, held-out half: % that pass\n{of}")
    figure.colorbar(image, shrink=0.3, format=PercentFormatter(1.0, decimals=0))
    _save(figure, file)


def draw(figure: Chart | Heatmap, of: str, file: Path) -> None:
    """Draw a chart or heatmap of a technique into `file`, with `of` below its title."""
    if isinstance(figure, Chart):
        _chart(figure, of, file)
    else:
        _heatmap(figure, of, file)


def own_style() -> AbstractContextManager[None]:
    """Return a context manager that restores the plot style, which a library may change inside."""
    return plt.rc_context()


def save_axes(axes: Axes, of: str, file: Path) -> None:
    """Save axes that a library has drawn into `file`, with `of` below their title."""
    title = axes.get_title() or axes.get_title(loc="left")
    axes.set_title("", loc="left")
    axes.set_title(f"{title}\n{of}")
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.set_size_inches(9, 5.5)
    _save(figure, file, bbox_inches="tight")


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


def _label_axis(axis: Axis, names: Sequence[str]) -> None:
    """Name the classes at an axis, small and slanted where they would overlap."""
    crowded = len(names) > FEW_LABELS or any(len(name) > LONG_LABEL for name in names)
    style: dict[str, Any] = {"fontsize": 7} if crowded else {}
    if crowded and axis.axis_name == "x":  # type: ignore[attr-defined]
        style |= {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    shown = [
        name if len(name) <= MOST_OF_A_LABEL else f"{name[:MOST_OF_A_LABEL]}..." for name in names
    ]
    shown = [name.replace("$", r"\$") for name in shown]  # or two begin a formula
    axis.set_ticks(range(len(names)), shown, **style)


def _grid(names: Sequence[str], x: str, y: str, scale: float = 1.0) -> tuple[Figure, list[Axes]]:
    """Axes that share their scales, each under its name, row by row."""
    columns = min(len(names), GRID_COLUMNS)
    rows = -(-len(names) // columns)
    size = (3.2 * scale * columns + 1, 2.8 * scale * rows + 1)
    figure, places = plt.subplots(
        rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for axes in places.flat[len(names) :]:
        axes.remove()
    used: list[Axes] = places.flat[: len(names)].tolist()
    for axes, name in zip(used, names, strict=True):
        axes.set_title(name, fontsize=8)
    for axes in used[::columns]:
        axes.set_ylabel(y)
    for axes in used[-columns:]:  # the lowest of each column: sharing hid the ticks above a gap
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(x)
    return figure, used


def _log_scale(axes: Axes) -> None:
    """Milliseconds on a log scale, written as plain numbers."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _save(figure: Figure, file: Path, **options: Any) -> None:
    """Save as PNG with a palette, which takes a third of the space: pages hold dozens of figures.

    `options` are those of `savefig`.
    """
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=DPI, **options)
    plt.close(figure)
    palette = Image.open(drawn).convert("RGB").quantize(COLORS_KEPT, dither=Image.Dither.NONE)
    palette.save(file, "PNG", optimize=True)

"""Plots: what stands on a figure beside its figures."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from fincompress.callbacks import Heatmap
from fincompress.evaluation.results import Benchmark, FamilyResult
from fincompress.reports import plots


@pytest.mark.parametrize(("synthetic", "title"), [(False, "tiny"), (True, "tiny (synthetic)")])
def test_behaviour_has_a_row_a_family_and_a_mark_if_the_corpus_is_synthetic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synthetic: bool, title: str
) -> None:
    saved: list[Figure] = []
    monkeypatch.setattr(plots, "_save", lambda figure, file: saved.append(figure))
    zero = {"teacher": 0.0, "student": 0.0}
    results = tuple(
        FamilyResult(
            family=family, question="", kind="", cases=2, shares=zero, intervals={},
            differences=zero, difference_intervals={},
        )
        for family in ("all", "gain", "loss")
    )  # fmt: skip
    benchmark = Benchmark(
        study="tiny", synthetic=synthetic, notes=(), environment={}, measurements=(),
        behaviour=results,
    )  # fmt: skip
    plots.behaviour(benchmark, tmp_path / "behaviour.png")
    ((table, _),) = (figure.axes for figure in saved)
    assert table.get_title().splitlines()[-1] == title
    assert [label.get_text() for label in table.get_yticklabels()] == ["all", "gain", "loss"]
    assert [label.get_text() for label in table.get_xticklabels()] == ["teacher", "student"]


def test_figures_are_saved_with_a_palette(tmp_path: Path) -> None:
    """Pages and runs hold dozens of them, and this takes a third of the space."""
    rows = {"layer 1": [0.1, 0.9], "layer 2": [0.5]}
    plots.draw(Heatmap("Entropy", "head", rows), "tiny", tmp_path / "entropy.png")
    with Image.open(tmp_path / "entropy.png") as drawn:
        assert (drawn.format, drawn.mode) == ("PNG", "P")
        assert drawn.convert("RGB").getcolors(300) is not None, "no more than 256 colours"

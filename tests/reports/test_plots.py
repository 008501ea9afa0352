"""Plots: what stands on a figure beside its figures."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from fincompress.evaluation.results import Benchmark, FamilyResult
from fincompress.reports import plots


@pytest.mark.parametrize(("synthetic", "title"), [(False, "tiny"), (True, "tiny (synthetic)")])
def test_behaviour_has_a_row_a_family_and_a_mark_if_the_corpus_is_synthetic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synthetic: bool, title: str
) -> None:
    saved: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: saved.append(figure))
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

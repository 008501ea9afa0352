"""The page of committed results: what stands in it is what the committed files say."""

import shutil
from dataclasses import replace
from pathlib import Path

from fincompress.commands.report import write_pages
from fincompress.reports.results_page import (
    read_results,
    replace_block,
    results_block,
    results_page,
)
from tests.support.projects import refusal

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "experiments" / "results"
COMMITTED = {each.name: each for each in read_results(RESULTS)}


def test_the_committed_page_is_that_of_the_committed_results() -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert page == results_page(list(COMMITTED.values()))
    for results in COMMITTED.values():
        assert results_block(results) in page


def test_the_short_table_has_variants_the_published_recipe_and_the_floor() -> None:
    results = COMMITTED["cpu"]
    _, header, _, *rows, _, machine, _ = results_block(results).splitlines()
    assert len(header.strip("|").split("|")) == 6
    names = [row.split("|")[1].split()[0] for row in rows]
    assert names[0] == "teacher" and {"teacher@huggingface_padded", "tfidf_floor"} < set(names)
    assert len([name for name in names if "@" in name]) == 1
    champion = next(row for row in rows if "champion" in row)
    assert champion.split("|")[1].split()[0] == results.roles["champion"]
    assert results.benchmark is not None
    assert results.benchmark.environment["commit"] in machine


def test_a_block_is_replaced_by_its_study_and_the_rest_of_a_page_stays() -> None:
    page = (
        "a\n<!-- results:cpu -->\nold\n<!-- /results -->\nb\n<!-- results:x -->\n<!-- /results -->"
    )
    block = "<!-- results:cpu -->\nnew \\1\n<!-- /results -->"
    assert replace_block(page, block) == page.replace("old", "new \\1")
    assert replace_block("no block", block) == "no block"


def test_the_short_table_says_whether_the_reference_moved() -> None:
    results = COMMITTED["cpu"]
    assert results.benchmark is not None
    for last, expected in (
        ("12", "latency moved by +20% during the benchmark: compare the ratios, not the milli"),
        ("10.1", "latency moved by +1% during the benchmark.\n"),
    ):
        facts = {"commit": "abc", "reference_first_ms": "10", "reference_last_ms": last}
        block = results_block(
            replace(results, benchmark=replace(results.benchmark, environment=facts))
        )
        assert expected in block
    early = replace(results, benchmark=replace(results.benchmark, environment={"commit": "abc"}))
    assert "moved" not in results_block(early)


def test_pages_of_a_checkout_are_written_from_its_results(tmp_path: Path) -> None:
    assert write_pages(RESULTS, tmp_path) == []
    (tmp_path / "docs").mkdir()
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- results:cpu -->\nold\n<!-- /results -->\nafter\n")
    assert write_pages(RESULTS, tmp_path) == [tmp_path / "docs" / "results.md", readme]
    block = results_block(COMMITTED["cpu"])
    assert readme.read_text() == f"before\n{block}\nafter\n"
    assert block in (tmp_path / "docs" / "results.md").read_text()


def test_random_weights_show_speed_and_size_alone() -> None:
    page = results_page([COMMITTED["finbert-random-weights"]])
    assert "## Study `finbert`, random weights: speed and size alone" in page
    assert "mlflow run . -e benchmark -P study=finbert -P weights=random" in page
    assert "macro-F1 |" not in page


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    shutil.copytree(RESULTS / "cpu", tmp_path / "cpu")
    (tmp_path / "cpu" / "seeds.json").write_text("{")
    assert refusal(lambda: read_results(tmp_path)).startswith(
        f"{tmp_path / 'cpu' / 'seeds.json'}: is not JSON: "
    )


def test_the_command_of_many_selected_ablations_has_their_names() -> None:
    results = COMMITTED["cpu"]
    table = results.tables["ablations"]
    page = results_page([replace(results, tables={"ablations-0123456789abcdef": table})])
    names = [row.variant for row in table.rows if row.question]
    assert len(names) > 3
    assert f"-P study=cpu -P ablations={','.join(names)}\n" in page

"""README and docs: how long README may be, that its table is the committed one, that links lead."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= 170
    assert len(README.split()) <= 1300


def test_its_tables_have_at_most_six_columns() -> None:
    rows = [line for line in README.splitlines() if line.startswith("|")]
    assert rows and all(len(row.strip("|").split("|")) <= 6 for row in rows)


def test_its_table_is_that_of_the_results_page() -> None:
    (block,) = re.findall(r"<!-- results:practical -->.*?<!-- /results -->", README, re.DOTALL)
    assert block in (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    for target in targets:
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_page_is_reached_from_readme() -> None:
    targets = set(re.findall(r"\]\(([^)#\s]+)\)", README))
    pages = {page.relative_to(ROOT).as_posix() for page in PAGES} - {"README.md"}
    assert pages <= targets

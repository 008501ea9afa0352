"""The notebook: it is made from the text file beside it, has its outputs, and its cells run."""

import re
from typing import Any

import pytest

from tests.support.projects import Project
from tests.support.source import ROOT

jupytext = pytest.importorskip("jupytext", reason="needs the extra notebook")
SOURCE = ROOT / "notebooks" / "study.py"
NOTEBOOK = ROOT / "notebooks" / "fincompress.ipynb"
LARGEST_MB = 2


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_notebook_is_made_from_the_text_file() -> None:
    cells = [[(c.cell_type, c.source) for c in jupytext.read(f).cells] for f in (SOURCE, NOTEBOOK)]
    assert cells[0] == cells[1], "run: make notebook"
    assert NOTEBOOK.stat().st_size < LARGEST_MB * 1e6


def test_every_cell_has_run_in_order_and_none_failed() -> None:
    cells = code_cells(jupytext.read(NOTEBOOK))
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 5
    said = "".join(output.get("text", "") for output in outputs)
    assert "fincompress-quickstart@champion is " in said
    assert not re.search(r"/(home|root|tmp|work)/", said), "no path of the machine that ran it"


@pytest.mark.slow
def test_its_cells_run(project: Project) -> None:
    nbclient = pytest.importorskip("nbclient", reason="needs the extra notebook")
    project.keep("teacher", "student_vanilla_kd", "student_intermediate_kd", "student_ptq")
    study = project.study_file.read_text(encoding="utf-8")
    (project.folder / "experiments" / "quickstart.yaml").write_text(study, encoding="utf-8")
    notebook = jupytext.read(SOURCE)
    here = f"from fincompress import studies\nstudies.EXPERIMENTS = Path({str(project.folder)!r})"
    code_cells(notebook)[0].source += f"\n{here} / 'experiments'"
    nbclient.NotebookClient(
        notebook,
        timeout=500,
        kernel_name="python3",
        resources={"metadata": {"path": str(project.folder)}},
    ).execute()
    last = "".join(output.get("text", "") for output in code_cells(notebook)[-1].outputs)
    assert "'label': " in last, "the saved model has answered"

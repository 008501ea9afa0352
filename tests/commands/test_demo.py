"""What the demo is refused without: Gradio, a benchmark, a free folder."""

import pytest

from fincompress.cli import main
from fincompress.commands import demo
from tests.support.projects import Project


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "study 'tiny' has not been measured yet; run: fincompress benchmark --study tiny"),
        (["--export", "full"],
         "export: 'full' is there already, and nothing is overwritten; give another folder"),
        (["--export", "new", "--port", "7861"],
         "port: is for a demo that is served; leave it out beside export"),
        (["--port", "65536"], "argument --port: must be at most 65535, not '65536'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_message(
    project: Project, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    pytest.importorskip("gradio", reason="needs the extra demo")
    (project.folder / "full").mkdir()
    (project.folder / "full" / "mine.txt").write_text("mine")
    assert main(["demo", "--study", "tiny", *words]) == 2
    assert capsys.readouterr().err == f"fincompress: {message}\n"
    assert not (project.folder / "new").exists()


def test_without_gradio_it_says_what_to_install(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    assert main(["demo", "--study", "tiny"]) == 2
    assert capsys.readouterr().err == (
        "fincompress: demo: needs Gradio, which is not installed; run: pip install --editable "
        "'.[demo]'\n"
    )

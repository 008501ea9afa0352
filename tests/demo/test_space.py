"""An exported demo: whole or not at all, light, used in a browser from a clean environment."""

import base64
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from fincompress.artifact import Artifact
from fincompress.demo.space import ExportedModel, read_demo, write_demo
from fincompress.export import export
from fincompress.prediction.saved_model import load_saved_model
from tests.support.demo import CONTENT
from tests.support.projects import refusal
from tests.support.source import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest.importorskip("gradio", reason="needs the extra demo")
PATIENCE_S = 240  # to install and start; seconds on most machines
PNG = base64.b64decode(  # of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="session")
def models(
    base: Artifact, student_base: Artifact, tmp_path_factory: pytest.TempPathFactory
) -> list[ExportedModel]:
    folder, runtime = tmp_path_factory.mktemp("graphs"), "onnx_runtime"
    sources = {"teacher": base, "student": student_base}
    return [
        ExportedModel(export(source, runtime, folder / name), "tiny", name, 1, runtime)
        for name, source in sources.items()
    ]


def test_a_demo_is_written_whole(tmp_path: Path, models: list[ExportedModel]) -> None:
    out = tmp_path / "demo"
    write_demo(out, CONTENT, models, b"png")
    assert {path.name for path in out.iterdir()} == {
        "README.md", "app.py", "content.json", "f1_against_latency.png", "fincompress", "models",
        "requirements.txt",
    }  # fmt: skip
    assert read_demo(out) == CONTENT
    for model in models:
        saved = load_saved_model(out / "models" / model.variant, threads=1)
        assert saved.predict(["profit rose ."])[0]["label"] in saved.labels
    assert "MIT License" in (out / "fincompress" / "LICENSE").read_text()
    assert not [*out.rglob("__pycache__"), *out.rglob("*.pkl"), *out.rglob("*.bin")]
    needs = (out / "requirements.txt").read_text().splitlines()
    assert {need.partition("==")[0] for need in needs} == {
        "gradio", "numpy", "onnxruntime", "pydantic", "PyYAML", "tokenizers"
    }  # fmt: skip
    assert all(re.fullmatch(r"\S+==[\d.]+", need) for need in needs)
    card = (out / "README.md").read_text()
    head = card.split("---\n")[1]
    assert yaml.safe_load(head) == {
        "title": "A demo (synthetic)", "sdk": "gradio", "sdk_version": version("gradio"),
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
        "app_file": "app.py",
    }  # fmt: skip
    assert "* A note that models carry.\n" in card


def test_a_demo_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, models: list[ExportedModel]
) -> None:
    gone = replace(models[0].artifact, path=tmp_path / "gone")
    with pytest.raises(FileNotFoundError):
        write_demo(tmp_path / "demo", CONTENT, [replace(models[0], artifact=gone)], None)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_demo_says_so(tmp_path: Path, models: list[ExportedModel]) -> None:
    assert refusal(lambda: read_demo(tmp_path)).startswith(f"{tmp_path}: is no exported demo: ")
    write_demo(tmp_path / "demo", CONTENT, models, None)
    file = tmp_path / "demo" / "content.json"
    whole = file.read_text()
    file.write_text(whole.replace('"chosen"', '"choosen"'))
    assert refusal(lambda: read_demo(file.parent)) == (
        f"{file}: unknown key 'choosen'; did you mean 'chosen'?"
    )
    file.write_text(whole.replace('"chosen": [\n  "teacher"', '"chosen": [\n  "nobody"'))
    assert "chosen: 'nobody' is none of the variants" in refusal(lambda: read_demo(file.parent))


def test_a_demo_needs_neither_torch_nor_mlflow() -> None:
    """Gradio itself imports what it finds; the environment of the browser's tests has nothing."""
    code = "import sys, fincompress.demo.space as _; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    heavy = {"torch", "mlflow", "transformers", "sklearn", "optuna", "matplotlib", "pandas"}
    assert not heavy & set(done.stdout.split())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, models: list[ExportedModel]) -> Iterator[str]:
    """The address of an exported demo, served in an environment that has its requirements alone."""
    folder = tmp_path_factory.mktemp("space")
    write_demo(folder / "demo", CONTENT, models, PNG)
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "-r", folder / "demo" / "requirements.txt"],
        check=True, timeout=PATIENCE_S, capture_output=True,
    )  # fmt: skip
    own = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    (folder / "tmp").mkdir()
    own["TMPDIR"] = str(folder / "tmp")
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            [python, folder / "demo" / "app.py"], stdout=said, stderr=said, cwd=folder, env=own
        )
    try:
        yield _address(process, folder / "said")
    finally:
        process.terminate()
        assert process.wait(30) == 143
        assert not list((folder / "tmp").glob("fincompress-demo-*")), "no upload is left"
        assert "Traceback" not in (folder / "said").read_text()


def _address(process: "subprocess.Popen[bytes]", said: Path) -> str:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+/", said.read_text()):
            return found[0]
        time.sleep(0.2)
    raise AssertionError(said.read_text())


@pytest.fixture(scope="module")
def page(served: str) -> Iterator["Page"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        opened = browser.new_page()
        opened.set_default_timeout(60_000)
        yield opened
        browser.close()


browsed = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("chromium") is None or find_spec("playwright") is None,
        reason="needs a browser: apt-get install chromium, pip install playwright",
    ),
]


def start(page: "Page", served: str) -> "Page":
    page.goto(served)
    page.get_by_role("button", name="Ask", exact=True).wait_for()
    return page


def verdict(page: "Page", pattern: str) -> None:
    page.locator("#verdict").filter(has_text=re.compile(pattern)).wait_for()


class TestInABrowser:
    pytestmark = browsed

    def test_a_typed_text_is_answered_by_the_chosen_variants(
        self, page: "Page", served: str
    ) -> None:
        start(page, served)
        assert page.get_by_role("heading", name="A demo (synthetic)").count() == 1
        page.get_by_label("Text", exact=True).fill("turnover stayed .")
        page.get_by_label("student").first.check()
        page.get_by_role("button", name="Ask", exact=True).click()
        verdict(page, "All say|They disagree")
        for name in ("teacher", "student"):
            card = page.locator(f"#card-{name}")
            assert re.search(rf"{name}: \d+\.\d\d ms", card.inner_text())
            assert all(label in card.inner_text() for label in ("negative", "neutral", "positive"))
        assert "onnx_runtime" in page.content()

    def test_a_click_on_an_example_asks_it(self, page: "Page", served: str) -> None:
        start(page, served).get_by_text("sales fell .").click()
        verdict(page, "teacher says")
        assert page.get_by_label("Text", exact=True).input_value() == "sales fell ."

    def test_a_click_on_a_changed_answer_asks_both(self, page: "Page", served: str) -> None:
        start(page, served).get_by_role("tab", name="Changed answers").click()
        page.locator("#changed-answers").get_by_text("orders sank .").locator(
            "visible=true"
        ).click()
        page.locator("#card-student").wait_for()
        assert page.get_by_label("Text", exact=True).input_value() == "orders sank ."
        assert page.locator("#card-teacher").is_visible()

    def test_no_text_is_one_message(self, page: "Page", served: str) -> None:
        start(page, served).get_by_label("Text", exact=True).fill("")
        page.get_by_role("button", name="Ask", exact=True).click()
        page.get_by_text("There is no text. Write a sentence").wait_for()

    def test_a_file_is_answered_and_can_be_downloaded(
        self, page: "Page", served: str, tmp_path: Path
    ) -> None:
        (tmp_path / "mine.csv").write_text("text\nprofit rose .\nsales fell .\n")
        start(page, served).get_by_role("tab", name="A file").click()
        page.locator("#rows input[type=file]").set_input_files(tmp_path / "mine.csv")
        page.get_by_text("mine.csv").wait_for()
        page.get_by_role("button", name="Ask for all rows").click()
        page.locator("#summary").filter(has_text="2 rows.").wait_for()
        with page.expect_download() as download:
            page.get_by_role("link", name=re.compile("B")).last.click()
        lines = download.value.path().read_text().splitlines()
        assert lines[0].startswith("text,teacher_label,teacher_score") and len(lines) == 3

    def test_the_study_is_shown(self, page: "Page", served: str) -> None:
        start(page, served).get_by_role("tab", name="The study").click()
        page.get_by_text("Measured somewhere.").wait_for()
        page.get_by_text("What the study is.").wait_for()
        page.get_by_role("img", name="Test macro-F1 against the latency").wait_for()
        for cell in ("MB", "teacher", "9.0"):
            page.get_by_role("tabpanel").get_by_text(cell).locator("visible=true").first.wait_for()

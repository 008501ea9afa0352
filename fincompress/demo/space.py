"""Exported demo: a folder that runs alone, here or as a Hugging Face Space, without a registry."""

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from importlib.metadata import version as installed
from pathlib import Path

from fincompress.artifact import Artifact, draft_folder
from fincompress.config import UserError, dump, parse
from fincompress.demo.content import Content
from fincompress.prediction.saved_model import ARTIFACT_FOLDER, write_record
from fincompress.runtimes import load_runtime

_PACKAGE = Path(__file__).parents[1]
CONTENT, PICTURE, MODELS = "content.json", "f1_against_latency.png", "models"
SDK = "gradio"
REQUIREMENTS = (SDK, "numpy", "pydantic", "PyYAML", "tokenizers")
APP = '''"""A demo: a teacher and its compressed variants, asked side by side."""

from pathlib import Path

from fincompress.demo.app import serve_folder

if __name__ == "__main__":
    serve_folder(Path(__file__).parent)
'''


@dataclass(frozen=True)
class ExportedModel:
    """A model of an exported demo.

    `artifact`: its files. `study`, `variant`, `version`: what it is registered as. `runtime`: what
    loads it.
    """

    artifact: Artifact
    study: str
    variant: str
    version: int
    runtime: str


def write_demo(
    out: Path, content: Content, models: Sequence[ExportedModel], picture: bytes | None
) -> None:
    """Write a demo to the folder `out`: the page, the models, this package's code, and a card.

    `models` are those of `content.variants`; `picture` is the figure of F1 against latency, PNG.
    Nothing is left at `out` unless all is written. Raises `OSError` if `out` has files already.
    """
    with draft_folder(out) as draft:
        for model in models:
            saved = draft / MODELS / model.variant
            shutil.copytree(model.artifact.path, saved / ARTIFACT_FOLDER)
            write_record(saved, model.study, model.variant, model.version, model.runtime)
        code = draft / _PACKAGE.name
        shutil.copytree(_PACKAGE, code, ignore=shutil.ignore_patterns("__pycache__"))
        if picture is not None:
            (draft / PICTURE).write_bytes(picture)
        texts = {
            CONTENT: json.dumps(dump(content), indent=1, ensure_ascii=False) + "\n",
            "app.py": APP,
            "requirements.txt": "\n".join(_requirements({m.runtime for m in models})) + "\n",
            "README.md": _card(content),
            f"{_PACKAGE.name}/LICENSE": _licence(),
        }
        for name, text in texts.items():
            (draft / name).write_text(text, encoding="utf-8")
        draft.rename(out)


def read_demo(folder: Path) -> Content:
    """Return what an exported demo in `folder` shows; raise `UserError` if there is none."""
    file = folder / CONTENT
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: is no exported demo: {error}") from None
    return parse(Content, data, str(file))


def _requirements(runtimes: Iterable[str]) -> list[str]:
    """The packages that the page and these runtimes need, at the versions that are installed."""
    names = {
        *REQUIREMENTS,
        *(need for each in runtimes for need in load_runtime(each).REQUIREMENTS),
    }
    return [f"{name}=={installed(name)}" for name in sorted(names, key=str.lower)]


def _licence() -> str:
    """The licence of this package's code, which goes with every copy."""
    beside = _PACKAGE.parent / "LICENSE"  # in a checkout; an installed package has it elsewhere
    if beside.is_file():
        return beside.read_text(encoding="utf-8")
    return distribution(_PACKAGE.name).read_text("licenses/LICENSE") or ""


def _card(content: Content) -> str:
    """The README of a Space; its first lines are settings that Hugging Face reads."""
    settings = {
        "title": content.title,
        "sdk": SDK,
        "sdk_version": installed(SDK),
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
        "app_file": "app.py",
    }
    return "\n".join([
        "---",
        *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()),
        "---",
        "",
        f"# {content.title}",
        "",
        content.description,
        "",
        content.recommendation,
        "",
        *(f"* {note}" for note in content.notes),
        "",
        "On your own machine:",
        "",
        "    pip install -r requirements.txt",
        "    python app.py",
    ]) + "\n"  # fmt: skip

"""Exported demo: a folder that runs alone, here or as a Hugging Face Space, without a registry."""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path

from fincompress.artifact import Artifact, draft_folder, read_artifact
from fincompress.config import UserError, dump, parse, settings
from fincompress.demo.content import Content
from fincompress.prediction.model import Model, load_artifact
from fincompress.runtimes import load_runtime

_PACKAGE = Path(__file__).parents[1]
CONTENT, PICTURE, MODELS = "content.json", "f1_against_latency.png", "models"
SDK = "gradio"
REQUIREMENTS = (SDK, "numpy", "pydantic", "PyYAML", "tokenizers")
APP = '''"""A demo: a teacher and its compressed variants, asked side by side."""

from pathlib import Path

from fincompress.demo.app import serve_folder

serve_folder(Path(__file__).parent)
'''


@dataclass(frozen=True)
class ExportedModel:
    """A model of an exported demo.

    `artifact`: its files. `runtime`: what loads them.
    """

    artifact: Artifact
    runtime: str


@settings
class Exported:
    """What `content.json` of an exported demo holds.

    `content`: what it shows. `runtimes`: by variant, the runtime that loads its artifact.
    """

    content: Content
    runtimes: dict[str, str]


def write_demo(
    out: Path, content: Content, models: Mapping[str, ExportedModel], picture: bytes | None
) -> None:
    """Write a demo to the folder `out`: the page, the models, this package's code, and a card.

    `models` are those of `content.variants`; `picture` is the figure of F1 against latency, PNG.
    Nothing is left at `out` unless all is written. Raises `OSError` if `out` has files already.
    """
    runtimes = {name: model.runtime for name, model in models.items()}
    with draft_folder(out) as draft:
        for name, model in models.items():
            shutil.copytree(model.artifact.path, draft / MODELS / name)
        code = draft / _PACKAGE.name
        shutil.copytree(_PACKAGE, code, ignore=shutil.ignore_patterns("__pycache__"))
        if picture is not None:
            (draft / PICTURE).write_bytes(picture)
        exported = Exported(content=content, runtimes=runtimes)
        texts = {
            CONTENT: json.dumps(dump(exported), indent=1, ensure_ascii=False) + "\n",
            "app.py": APP,
            "requirements.txt": "\n".join(_requirements(runtimes.values())) + "\n",
            "README.md": _card(content),
        }
        for name, text in texts.items():
            (draft / name).write_text(text, encoding="utf-8")
        draft.rename(out)


def read_demo(folder: Path) -> Exported:
    """Return what an exported demo in `folder` holds; raise `UserError` if it is none."""
    file = folder / CONTENT
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: is no exported demo: {error}") from None
    return parse(Exported, data, str(file))


def load_exported(folder: Path, exported: Exported, variant: str) -> Model:
    """Load a variant of the demo in `folder`; raise `UserError` if its files are not whole."""
    artifact = read_artifact(folder / MODELS / variant)
    return load_artifact(artifact, exported.runtimes[variant], variant)


def _requirements(runtimes: Iterable[str]) -> list[str]:
    """The packages that the page and these runtimes need, at the versions that are installed."""
    names = {
        *REQUIREMENTS,
        *(need for each in runtimes for need in load_runtime(each).REQUIREMENTS),
    }
    return [f"{name}=={installed(name)}" for name in sorted(names, key=str.lower)]


def _card(content: Content) -> str:
    """The README of a Space; its first lines are settings that Hugging Face reads."""
    settings = {
        "title": content.title,
        "sdk": SDK,
        "sdk_version": installed(SDK),
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

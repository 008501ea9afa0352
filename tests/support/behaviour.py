"""Behavioural tests of a tiny project, one family of each shape, in words that its models know."""

from typing import Any

import yaml

from fincompress.data.behaviour import Family, load_families
from tests.support.projects import SUBJECTS, Project


def _half(verb: str) -> dict[str, list[str]]:
    return {"frames": [f"{{subject}} {verb} {{count}} ."]}


FAMILIES: dict[str, dict[str, Any]] = {
    "gain": {
        "question": "A rise is good news.", "kind": "minimum_functionality", "label": "positive",
        "open": _half("rose"), "held_out": _half("gained"),
    },
    "loss": {
        "question": "A fall is bad news.", "kind": "minimum_functionality", "label": "negative",
        "whole": True, "held_out": _half("fell"),
    },
    "same_subject": {
        "question": "What it is about is no matter.", "kind": "invariance", "vary": "subject",
        "open": _half("stayed"), "held_out": _half("meets"),
    },
}  # fmt: skip


def add_behaviour(project: Project) -> tuple[Family, ...]:
    """Give a project behavioural tests, and return them as commands will read them."""
    folder = project.folder / "experiments" / "behaviour"
    folder.mkdir()
    words = {half: {"subject": SUBJECTS} for half in ("open", "held_out")}
    (folder / "words.yaml").write_text(yaml.safe_dump(words))
    tests = {"description": "tests of a tiny study", "families": FAMILIES}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tests))
    return load_families(folder)

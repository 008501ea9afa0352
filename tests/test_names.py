"""Names and docstrings: what a reader may rely on, wherever in the package he opens a file."""

import re
from collections.abc import Iterable
from pathlib import Path

from fincompress.studies import EXPERIMENTS
from fincompress.techniques import technique_names
from tests.support.source import MODULES, module_name


def test_the_package_names_no_variant_but_the_teacher() -> None:
    files = [
        path for kind in ("variants", "ablations") for path in (EXPERIMENTS / kind).glob("*.yaml")
    ]
    variants = {path.stem for path in files} - {"teacher"}
    assert len(variants) > 10
    assert not words_used(variants, MODULES)


def test_techniques_are_named_in_their_folder_alone() -> None:
    outside = [path for path in MODULES if not module_name(path).startswith("techniques")]
    assert not words_used(technique_names(), outside)


def words_used(words: Iterable[str], paths: Iterable[Path]) -> list[str]:
    """Return the lines of `paths` that have one of these words in code, a string or a comment."""
    pattern = re.compile(rf"\b({'|'.join(words)})\b")
    return [
        f"{module_name(path)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]

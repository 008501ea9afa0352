"""Names and docstrings: what a reader may rely on, wherever in the package he opens a file."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from fincompress.studies import EXPERIMENTS
from fincompress.techniques import technique_names
from tests.support.source import MODULES, module_name, parse_source

# Each technique, and each runtime, defines these for itself: they are the protocol of its folder.
PROTOCOLS = {
    "techniques": {"FAMILY", "FORMATS", "Config", "resolve", "compress"},
    "runtimes": {"FORMAT", "REQUIREMENTS", "MODEL", "load", "precisions", "count_products"},
}
# Entry points of modules that are run as programs.
PROGRAMS = {("cli", "main"), ("tracking.served_model_process", "main")}
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module defines at its top level, without a leading underscore."""
    for node in tree.body:
        names: list[str] = []
        if isinstance(node, Definition):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            parts = [part for target in targets for part in ast.walk(target)]
            names = [part.id for part in parts if isinstance(part, ast.Name)]
        yield from (name for name in names if not name.startswith("_"))


def test_a_public_name_is_defined_in_one_module() -> None:
    modules = defaultdict(set)
    for path in MODULES:
        module = module_name(path)
        for name in public_names(parse_source(path)):
            folder = module.partition(".")[0]
            if name not in PROTOCOLS.get(folder, ()) and (module, name) not in PROGRAMS:
                modules[name].add(module)
    assert not {name: users for name, users in modules.items() if len(users) > 1}


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

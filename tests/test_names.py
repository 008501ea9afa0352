"""Names and docstrings: what a reader may rely on, wherever in the package he opens a file."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

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
# Methods that a library calls; it documents them.
OF_LIBRARIES = {"forward", "predict", "load_context", "error"}
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


def public_definitions(
    body: Iterable[ast.stmt], prefix: str = ""
) -> Iterator[tuple[str, Definition]]:
    """Yield the public functions and classes of `body`, and the public methods of these classes."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body, f"{prefix}{node.name}.")


def is_protocol(node: Definition) -> bool:
    return isinstance(node, ast.ClassDef) and any(ast.unparse(b) == "Protocol" for b in node.bases)


def protocol_methods() -> set[str]:
    """Return the names of methods that a protocol of the package documents for all who have it."""
    definitions = [d for path in MODULES for _, d in public_definitions(parse_source(path).body)]
    return {
        method.name
        for protocol in definitions
        if isinstance(protocol, ast.ClassDef) and is_protocol(protocol)
        for method in protocol.body
        if isinstance(method, ast.FunctionDef) and ast.get_docstring(method)
    }


def has_fields(node: Definition) -> bool:
    """Whether the fields of a class come from a YAML file, or are a record's."""
    decorators = {ast.unparse(each).partition("(")[0] for each in node.decorator_list}
    return isinstance(node, ast.ClassDef) and bool(decorators & {"settings", "dataclass"})


def test_a_public_name_is_defined_in_one_module() -> None:
    modules = defaultdict(set)
    for path in MODULES:
        module = module_name(path)
        for name in public_names(parse_source(path)):
            folder = module.partition(".")[0]
            if name not in PROTOCOLS.get(folder, ()) and (module, name) not in PROGRAMS:
                modules[name].add(module)
    assert not {name: users for name, users in modules.items() if len(users) > 1}


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_what_is_public_has_a_docstring(path: Path) -> None:
    tree = parse_source(path)
    documented = OF_LIBRARIES | protocol_methods()
    missing = [] if ast.get_docstring(tree) else ["the module itself"]
    for name, node in public_definitions(tree.body):
        inherited = "." in name and node.name in documented
        missing += [] if ast.get_docstring(node) or inherited else [name]
    assert not missing


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_the_first_line_of_a_docstring_names_its_subject(path: Path) -> None:
    for node in ast.walk(parse_source(path)):
        if isinstance(node, ast.Module | Definition):
            first = (ast.get_docstring(node) or "").partition("\n")[0]
            assert not re.search(r"\bbecomes?\b", first), first


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_docstring_explains_every_field(path: Path) -> None:
    for name, node in public_definitions(parse_source(path).body):
        if has_fields(node):
            fields = [f.target for f in node.body if isinstance(f, ast.AnnAssign)]
            names = {f.id for f in fields if isinstance(f, ast.Name) and not f.id.startswith("_")}
            explained = set(re.findall(r"`(\w+)`", ast.get_docstring(node) or ""))
            assert names <= explained, f"{name}: {sorted(names - explained)}"


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

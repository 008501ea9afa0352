"""The shape of the project: who may import what, how long a file may be, one set of pins."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from fincompress.cli import CLI_ONLY, VERBS
from fincompress.commands.arguments import OPTIONS
from fincompress.commands.options import Options
from fincompress.runtimes import load_runtime, runtime_names
from fincompress.tracking.registry import COMMON_REQUIREMENTS
from tests.support.source import MODULES, PACKAGE, ROOT, imports_of, module_name

TESTS = ROOT / "tests"

# From the ground up. A folder is a layer, and so is a module beside the folders; each imports only
# what stands below it, and those of one line do not import one another.
LAYERS = [
    ["config", "callbacks", "signals", "machine"],
    ["artifact", "hub", "cores"],
    ["data"],
    ["models"],
    ["evaluation"],
    ["runtimes"],
    ["prediction"],
    ["training"],
    ["compression"],
    ["export"],
    ["benchmark"],
    ["techniques"],
    ["build"],
    ["promotion"],
    ["studies"],
    ["tracking"],
    ["reports"],
    ["demo"],
    ["tuning"],
    ["commands"],
    ["cli"],
    ["__main__"],
]
HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}
ONLY_IN = {
    "mlflow": ["tracking"],
    "matplotlib": ["reports.plots"],
    "PIL": ["reports.plots"],
    "gradio": ["demo.app"],
    "huggingface_hub": ["hub"],
    "argparse": ["cli", "commands.arguments"],
    "optuna": ["tuning.trial_queue"],
    "optuna_dashboard": ["tuning.trial_queue"],
    "onnx": ["runtimes.onnx_runtime", "export"],
    "onnxruntime": ["runtimes.onnx_runtime", "export"],
    "openvino": ["runtimes.openvino_runtime", "export"],
    "nncf": ["export"],
    "transformers": ["models.huggingface", "techniques.finetune_trainer"],
    "model2vec": ["benchmark.static_embeddings", "benchmark.static_classifier"],
    "rich": ["prediction.terminal"],
    "pickle": [],
}


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_down(path: Path) -> None:
    module = module_name(path)
    own = module.partition(".")[0]
    assert own in HEIGHT or not own, f"{module} belongs to no layer"
    for imported in imports_of(path):
        package, _, name = imported.partition(".")
        other = name.partition(".")[0]
        if package == "fincompress" and other in HEIGHT and own not in ("", other):
            assert HEIGHT[other] < HEIGHT[own], f"{module} imports {other}, which is not below it"


def test_at_most_twelve_modules_stand_beside_the_folders() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 12


@pytest.mark.parametrize("family", ["techniques", "runtimes"])
def test_neither_techniques_nor_runtimes_import_one_another(family: str) -> None:
    modules = [path for path in (PACKAGE / family).glob("*.py") if path.stem != "__init__"]
    names = {f"fincompress.{family}.{path.stem}" for path in modules}
    for path in modules:
        assert not imports_of(path) & names, path


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_imported_in_one_place(library: str) -> None:
    users = {
        module_name(path)
        for path in MODULES
        if any(name.partition(".")[0] == library for name in imports_of(path))
    }
    allowed = ONLY_IN[library]
    assert all(any(u == a or u.startswith(f"{a}.") for a in allowed) for u in users), users


def test_no_file_is_long_and_none_is_a_drawer() -> None:
    for path in [*MODULES, *TESTS.rglob("*.py")]:
        assert len(path.read_text().splitlines()) <= 400, path
        assert path.stem not in ("utils", "helpers", "common", "base"), path


def test_tests_mirror_the_package() -> None:
    folders = {path.parent.relative_to(TESTS).as_posix() for path in TESTS.rglob("*.py")}
    packages = {path.parent.relative_to(PACKAGE).as_posix() for path in MODULES}
    assert folders <= packages | {"contracts", "support"}
    for folder in folders:
        assert (TESTS / folder / "__init__.py").exists(), folder


def test_no_test_imports_another_nor_a_conftest() -> None:
    for path in TESTS.rglob("*.py"):
        for imported in imports_of(path):
            words = imported.split(".")
            from_tests = words[0] == "tests" and words[1:2] != ["support"] and len(words) > 1
            assert not from_tests and "conftest" not in words, f"{path} imports {imported}"


def test_the_pins_of_conda_and_pip_are_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    conda = yaml.safe_load((ROOT / "conda.yaml").read_text())
    assert conda["dependencies"][-1]["pip"] == project["dependencies"]
    assert all("==" in pin for pin in project["dependencies"])


def test_the_entry_points_are_the_command_line() -> None:
    points = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
    assert set(points) == set(VERBS) - set(CLI_ONLY)
    for name, point in points.items():
        assert tuple(point["parameters"]) == VERBS[name].options, name
        words = [f"--{option} {{{option}}}" for option in VERBS[name].options]
        assert point["command"] == " ".join(["python -m fincompress", name, *words])
        for option, declared in point["parameters"].items():
            assert declared["type"] == "string", "'path' would resolve against the caller's folder"
            assert OPTIONS[option].type(declared["default"]) == getattr(Options, option)


@pytest.mark.parametrize("runtime", runtime_names())
def test_a_served_model_needs_only_what_it_requires(runtime: str) -> None:
    code = f"import sys, fincompress.runtimes.{runtime};print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(done.stdout.split())
    assert "fincompress.data" not in loaded
    ours = {"datasets", "transformers", "sklearn", "matplotlib", "huggingface_hub", "pandas"}
    engines = {"torch", "safetensors", "onnx", "onnxruntime", "openvino", "nncf"}
    own = set(load_runtime(runtime).REQUIREMENTS)
    common = {"tokenizers", "numpy", "pydantic", "yaml"}
    later = runtime in ("auto", "cascade")  # which load the engine that they take
    assert common | (set() if later else own) <= loaded
    assert not (ours | engines - own) & loaded
    assert {name.lower() for name in COMMON_REQUIREMENTS} == (common - {"yaml"}) | {
        "pyyaml",
        "mlflow",
    }

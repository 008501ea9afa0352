"""The environment of a benchmark: CPU, instruction sets, library versions and commit."""

import platform
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psutil
import torch

from fincompress.machine.cpu import cpu_model, usable_cores

CPU, INSTRUCTION_SETS = "cpu", "instruction_sets"  # keys of the environment
KNOWN_INSTRUCTION_SETS = (  # those that the speed of a model depends on
    "avx2",
    "avx_vnni",
    "avx512_f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
)
PACKAGES = (
    "torch",
    "transformers",
    "onnxruntime",
    "openvino",
    "nncf",
    "mlflow",
    "tokenizers",
    "numpy",
)
OPTIONAL_PACKAGES = ("nanotoken",)
STEP_SECONDS, WORK_DONE = "training_step_s", "work"  # keys of a benchmark's, for estimates of time


def instruction_sets() -> tuple[str, ...]:
    """Return those of `KNOWN_INSTRUCTION_SETS` that this CPU has."""
    capabilities = torch.cpu.get_capabilities()
    return tuple(name for name in KNOWN_INSTRUCTION_SETS if capabilities.get(name))


def cpu_facts() -> dict[str, str]:
    """Return this CPU's model and instruction sets, as `read_environment` has them."""
    return {CPU: cpu_model(), INSTRUCTION_SETS: " ".join(instruction_sets()) or "none"}


def read_environment(threads: int) -> dict[str, str]:
    """Return, as text, what the figures of a benchmark with `threads` threads depend on.

    CPU, instruction sets, usable cores, load average, versions of Python and `PACKAGES`, and of
    those `OPTIONAL_PACKAGES` that are installed, commit.
    """
    optional = [package for package in OPTIONAL_PACKAGES if find_spec(package)]
    return {
        **cpu_facts(),
        "cores": str(usable_cores()),
        "threads": str(threads),
        "load_average": f"{psutil.getloadavg()[0]:.2f}",
        "python": platform.python_version(),
        **{package: version(package) for package in (*PACKAGES, *optional)},
        "commit": _read_commit(),
    }


def _read_commit() -> str:
    """The checkout's commit, with `+changes` if files differ from it, or `unknown`."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return "unknown"
    head = _git(root, "rev-parse", "--short", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{head}+changes" if changed else head or "unknown"


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, encoding="utf-8", check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()

"""The machine and the code become a table of facts that stands beside every timing."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil
import torch

from fincompress.machine.cpu import cpu_model, usable_cores

CPU, INSTRUCTION_SETS = "cpu", "instruction_sets"  # of the environment
KNOWN = (  # instruction sets that matter here
    "avx2", "avx_vnni", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16",
)  # fmt: skip
PACKAGES = (
    "torch", "transformers", "onnxruntime", "openvino", "nncf", "mlflow", "tokenizers", "numpy",
)  # fmt: skip


def instruction_sets() -> tuple[str, ...]:
    """Return those of `KNOWN` that this CPU has."""
    cpu = torch.cpu.get_capabilities()
    return tuple(name for name in KNOWN if cpu.get(name))


def cpu_facts() -> dict[str, str]:
    """Return the CPU's model and instruction sets, by their names in the environment."""
    return {CPU: cpu_model(), INSTRUCTION_SETS: " ".join(instruction_sets()) or "none"}


def environment(threads: int) -> dict[str, str]:
    """Return CPU, instruction sets, usable cores, threads, load, versions and commit as text."""
    return {
        **cpu_facts(),
        "cores": str(usable_cores()),
        "threads": str(threads),
        "load_average": f"{psutil.getloadavg()[0]:.2f}",
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "commit": commit(),
    }


def commit() -> str:
    """Return the checkout's commit, with `+changes` if files differ from it, or `unknown`."""
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

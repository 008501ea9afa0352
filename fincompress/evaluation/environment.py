"""The machine and the code become a table of facts that stands beside every timing."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil
import torch

INSTRUCTION_SETS = (
    "avx2", "avx_vnni", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16",
)  # fmt: skip
PACKAGES = (
    "torch", "transformers", "onnxruntime", "openvino", "nncf", "mlflow", "tokenizers", "numpy",
)  # fmt: skip


def instruction_sets() -> tuple[str, ...]:
    """Return those of `INSTRUCTION_SETS` that this CPU has."""
    cpu = torch.cpu.get_capabilities()
    return tuple(name for name in INSTRUCTION_SETS if cpu.get(name))


def environment(threads: int) -> dict[str, str]:
    """Return CPU, instruction sets, cores, threads, load, versions and commit as text."""
    return {
        "cpu": _cpu_model(),
        "instruction_sets": " ".join(instruction_sets()),
        "cores": str(os.cpu_count()),
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


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

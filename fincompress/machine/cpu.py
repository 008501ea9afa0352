"""The CPU: how many cores this process may use, the model and its instruction sets."""

import os
import platform
from functools import cache
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
CPUINFO = Path("/proc/cpuinfo")


def usable_cores() -> int:
    """Return how many cores the process may keep busy: at least 1.

    The smallest of these limits counts: the process's affinity; the CPU quotas of its control group
    and of those above it (`cpu.max`, or `cpu.cfs_quota_us` in version 1); and `OMP_NUM_THREADS`. A
    quota of 1.5 cores is 1 core: a second thread would be stopped for half of every period.
    """
    limits = [_affinity(), *_quotas()]
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if first.isdecimal() and int(first):
        limits.append(int(first))
    return max(1, min(limits))


@cache
def cpu_model() -> str:
    """Return the manufacturer's name of the CPU, or its architecture if that is not known."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


@cache
def cpu_flags() -> tuple[str, ...]:
    """Return the CPU's instruction sets in sorted order, as Linux lists them; elsewhere none."""
    return tuple(sorted((_cpuinfo("flags") or _cpuinfo("Features")).split()))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas() -> list[int]:
    """Return how many whole cores each control group of this process allows."""
    quotas = []
    try:
        lines = OWN_CGROUP.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2: one hierarchy for all
            root, quota_of = CGROUP, _quota_of_version_2
        elif "cpu" in controllers.split(","):
            root, quota_of = CGROUP / "cpu", _quota_of_version_1
        else:
            continue
        # Inside a container the path may be the host's; then only the root exists.
        group = root / path.strip("/")
        for folder in (group, *group.parents):
            if (quota := quota_of(folder)) is not None:
                quotas.append(int(quota))
            if folder == root:
                break
    return quotas


def _quota_of_version_2(folder: Path) -> float | None:
    words = _words(folder / "cpu.max")
    if len(words) != 2 or words[0] == "max":
        return None
    return int(words[0]) / int(words[1])


def _quota_of_version_1(folder: Path) -> float | None:
    quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
    if not quota or not period or int(quota[0]) <= 0:
        return None
    return int(quota[0]) / int(period[0])


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except OSError:
        return []


def _cpuinfo(key: str) -> str:
    """Return the first value of `key` in Linux's list of CPUs, or ""."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    values = (line.partition(":")[2] for line in lines if line.partition(":")[0].strip() == key)
    return next(values, "").strip()

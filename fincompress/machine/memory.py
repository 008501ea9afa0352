"""Memory of this process."""

from pathlib import Path


def peak_memory_mb() -> float | None:
    """Return the peak resident memory so far, in 10^6 bytes; None on Windows."""
    status = Path("/proc/self/status")
    if status.exists():  # `ru_maxrss` would include what the parent held when it forked
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS

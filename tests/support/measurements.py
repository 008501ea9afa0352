"""Measurements to decide from, and gates."""

from dataclasses import replace

from fincompress.evaluation.results import Measurement
from fincompress.promotion import Gate

NAMES = ("teacher", "good", "near", "better", "quick", "edge", "slow", "large", "other", "twin",
         "swift", "sure", "old", "newer")  # fmt: skip
VERSIONS = {name: number for number, name in enumerate(NAMES, start=1)}


def measured(
    variant: str, f1: float, p50: float, size: float, agreement: float = 1.0, unreliable: str = ""
) -> Measurement:
    """Beside a teacher of F1 0.9 and 10 ms; every round takes as long as the others."""
    metrics = {
        "val/macro_f1": f1,
        "val/f1_drop": 0.9 - f1,
        "val/agreement": agreement,
        "bench/latency_p50_ms": p50,
        "bench/speedup_vs_teacher": 10 / p50,
        "bench/size_mb": size,
    }
    return Measurement(
        variant=variant, version=VERSIONS.get(variant), runtime="torch_eager", metrics=metrics,
        intervals={"val/f1_drop": (0.89 - f1, 0.91 - f1)}, round_medians_ms=(p50,) * 20,
        unreliable=unreliable,
    )  # fmt: skip


def uneven(m: Measurement) -> Measurement:
    """Every other round takes a tenth more or less."""
    p50 = m.latency_p50_ms
    return replace(m, round_medians_ms=(0.9 * p50, 1.1 * p50) * 10)


def noisy(m: Measurement) -> Measurement:
    return replace(m, unreliable="the clock jumped")


GATE = Gate(max_f1_drop=0.01)
TEACHER = measured("teacher", 0.900, 10.0, 90.0)
GOOD = measured("good", 0.895, 5.0, 70.0)
QUICK = measured("quick", 0.850, 1.0, 20.0)

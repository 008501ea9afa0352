"""What was measured of one variant, in the keys under which it is logged and tabulated."""

from collections.abc import Sequence
from dataclasses import replace

from fincompress.spec import UserError, settings

VAL_F1 = "val/macro_f1"
TEST_F1 = "test/macro_f1"
P50 = "bench/latency_p50_ms"
P95 = "bench/latency_p95_ms"
THROUGHPUT = "bench/throughput_per_s"
SIZE = "bench/size_mb"
PARAMETERS = "bench/parameters"
SPEEDUP = "bench/speedup_vs_teacher"


@settings
class Measurement:
    """`metrics` has what applies: the floor has no file, hence no size.

    `version` is the registered version that was measured; None for the floor. `intervals`
    holds the 95 % bootstrap interval of each macro-F1.
    """

    variant: str
    version: int | None
    runtime: str
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]

    def flat(self) -> dict[str, float]:
        """All metrics, and the ends of the intervals as `<metric>_low` and `<metric>_high`."""
        ends = {
            f"{name}_{end}": value
            for name, interval in self.intervals.items()
            for end, value in zip(("low", "high"), interval, strict=True)
        }
        return self.metrics | ends

    @property
    def val_macro_f1(self) -> float:
        return self.metrics[VAL_F1]

    @property
    def latency_p50_ms(self) -> float:
        return self.metrics[P50]

    @property
    def size_mb(self) -> float:
        return self.metrics[SIZE]


@settings
class Samples:
    """Raw timings, in the order taken: ms a call at batch 1, sentences/s a pass in batches."""

    latency_ms: tuple[float, ...]
    throughput_per_s: tuple[float, ...]


@settings
class Benchmark:
    """All of one benchmark, as `benchmark_results.json` holds it."""

    study: str
    synthetic: bool
    notes: tuple[str, ...]
    environment: dict[str, str]
    measurements: tuple[Measurement, ...]


def with_speedups(measurements: Sequence[Measurement], teacher: str) -> tuple[Measurement, ...]:
    """Add each one's speed-up: the teacher's median latency over its own.

    Raises `UserError` if the teacher is not among them.
    """
    reference = next((m.latency_p50_ms for m in measurements if m.variant == teacher), None)
    if reference is None:
        raise UserError(f"benchmark: a study needs the variant '{teacher}' to compare with")
    return tuple(
        replace(m, metrics=m.metrics | {SPEEDUP: reference / m.latency_p50_ms})
        for m in measurements
    )

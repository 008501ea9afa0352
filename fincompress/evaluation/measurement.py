"""What was measured of one variant, in the keys under which it is logged and tabulated."""

from collections.abc import Mapping, Sequence
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
SPEEDUP_VS_SOURCE = "bench/speedup_vs_source"
INT8_PRODUCTS = "bench/int8_products"
PRODUCTS = "bench/products"


@settings
class Measurement:
    """`metrics` has what applies: the floor has no file, hence no size.

    `version` is the registered version that was measured; None for the floor, and for a source
    that was exported to the runtime of what was made from it. `intervals` holds the 95 %
    bootstrap interval of each macro-F1.
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


def with_speedups(
    measurements: Sequence[Measurement], teacher: str, sources: Mapping[str, str]
) -> tuple[Measurement, ...]:
    """Add each one's speed-ups: median latency of the teacher, and of its source, over its own.

    `sources` names, for a variant, the measurement of its source in the same runtime. Raises
    `UserError` if the teacher is not among them.
    """
    latency = {m.variant: m.latency_p50_ms for m in measurements}
    if teacher not in latency:
        raise UserError(f"benchmark: a study needs the variant '{teacher}' to compare with")

    def speedups(m: Measurement) -> dict[str, float]:
        found = {SPEEDUP: latency[teacher] / m.latency_p50_ms}
        if m.variant in sources:
            found[SPEEDUP_VS_SOURCE] = latency[sources[m.variant]] / m.latency_p50_ms
        return found

    return tuple(replace(m, metrics=m.metrics | speedups(m)) for m in measurements)


def labelled(text: str, synthetic: bool) -> str:
    """Say of what stands over figures that they are those of a synthetic corpus, if they are."""
    return f"{text} (synthetic)" if synthetic else text

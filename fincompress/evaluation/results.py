"""What was measured of one variant, in the keys under which it is logged and tabulated."""

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fincompress.config import settings

VAL, TEST, EXTRA = "val", "test", "extra"  # the parts that are answered
VAL_F1 = "val/macro_f1"
F1_DROP = "val/f1_drop"  # below the teacher's
AGREEMENT = "val/agreement"  # share of sentences with the teacher's label
TEST_F1 = "test/macro_f1"
EXTRA_F1 = "extra/macro_f1"
EXTRA_TEST = "extra_test"  # of the environment: what the extra part is
TEST_AGREEMENT = "test/agreement"
PUBLISHED_F1 = "published/macro_f1"  # on test, of the study that a study file names
ECE = "test/ece"  # expected calibration error
ECE_SCALED = "test/ece_scaled"  # with the confidences divided by a temperature
TEMPERATURE = "test/temperature"
P50 = "bench/latency_p50_ms"
P95 = "bench/latency_p95_ms"
P99 = "bench/latency_p99_ms"
THROUGHPUT = "bench/throughput_per_s"
PADDED_P50 = "padded/latency_p50_ms"
PADDED_THROUGHPUT = "padded/throughput_per_s"
PEAK_MEMORY = "bench/peak_memory_mb"
COLD_START = "bench/cold_start_ms"
SIZE = "bench/size_mb"
PARAMETERS = "bench/parameters"
SPEEDUP = "bench/speedup_vs_teacher"
SPEEDUP_VS_SOURCE = "bench/speedup_vs_source"
OVER_BEFORE = "bench/latency_over_before"  # of the same version, in the benchmark before
PUBLISHED_PEER = "teacher@huggingface_padded"
# Of the serving protocol over Hugging Face's teacher in PyTorch, padded: the published recipe.
LATENCY_VS_PUBLISHED = "bench/latency_vs_published"
THROUGHPUT_VS_PUBLISHED = "bench/throughput_vs_published"
INT8_PRODUCTS = "bench/int8_products"
PRODUCTS = "bench/products"
# Of the environment: what the reference took, before and after all others, and a benchmark ago.
REFERENCE_FIRST, REFERENCE_LAST = "reference_first_ms", "reference_last_ms"
REFERENCE_BEFORE = "reference_before_ms"
MIN_ROUNDS = 20  # that an interval can be told from: that of fewer covers less than it says
TOLERATED_SHARE = (
    0.1  # share by which a speed-up may be uncertain, or the reference move, unmentioned
)


def difference_keys(other: str, part: str) -> tuple[str, str]:
    """The difference of macro-F1 to the teacher's or the source's, and McNemar's p."""
    return f"{part}/f1_vs_{other}", f"{part}/mcnemar_vs_{other}"


def origin_key(name: str) -> str:
    """Test macro-F1 of the sentences from one source."""
    return f"{TEST_F1}/{re.sub(r'[^0-9A-Za-z]', '_', name)}"


def batch_throughput_key(size: int) -> str:
    return f"bench/throughput_batch_{size}_per_s"


def thread_throughput_key(count: int) -> str:
    return f"bench/throughput_threads_{count}_per_s"


def format_points(difference: float, interval: tuple[float, float]) -> str:
    """A difference of macro-F1 as points, with its interval."""
    low, high = interval
    return f"{100 * difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def with_interval_ends(
    metrics: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    """All metrics, and the ends of the intervals as `<metric>_low` and `<metric>_high`."""
    ends = {
        f"{name}_{end}": value
        for name, interval in intervals.items()
        for end, value in zip(("low", "high"), interval, strict=True)
    }
    return {**metrics, **ends}


@settings
class Measurement:
    """`metrics` has what applies: the floor has no file, hence no size.

    `version` is the registered version that was measured; None for the floor, the peers, and a
    source that was exported to the runtime of what was made from it. `precision` is what its
    engine computes in where it does not compute in INT8. `intervals` holds 95 % bootstrap
    intervals of metrics. `round_medians_ms` has the median latency of each round, (rounds,), in
    the order taken: ratios of two measurements of one benchmark are taken round by round.
    `unreliable` says why its speed-up is not known well, if it is not.
    """

    variant: str
    version: int | None
    runtime: str
    precision: str = "f32"
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    round_medians_ms: tuple[float, ...] = ()
    unreliable: str = ""

    def flat(self) -> dict[str, float]:
        return with_interval_ends(self.metrics, self.intervals)

    @property
    def way(self) -> str:
        """Engine and precision, as `Classifier.way` has them."""
        return self.runtime if self.precision == "f32" else f"{self.runtime} {self.precision}"

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
class PairComparison:
    """Two ways from one source: the difference of macro-F1, first less second, by part.

    `seconds` is how long each was trained.
    """

    first: str
    second: str
    differences: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    seconds: tuple[float, float]

    def __str__(self) -> str:
        said = [
            f"{format_points(self.differences[part], self.intervals[part])} on {part}"
            for part in self.differences
        ]
        low, high = self.intervals[VAL]
        found = "better" if low > 0 else "worse" if high < 0 else "not shown to be better"
        ours, theirs = self.seconds
        return (
            f"{self.first} over {self.second}, points of macro-F1: {', '.join(said)}; "
            f"{found} on validation, for {ours:.0f} s of training against {theirs:.0f} s"
        )


@settings
class Samples:
    """Raw timings, in the order taken: ms a call at batch 1, sentences/s a pass in batches.

    Each round is `round_calls` of `latency_ms`; the last may be shorter.
    """

    latency_ms: tuple[float, ...]
    round_calls: int
    throughput_per_s: tuple[float, ...]
    padded_latency_ms: tuple[float, ...]


@settings
class Answers:
    """What each variant answered, as `answers.json` holds it.

    By part (val, test, and extra if one was given): its texts, the right classes, the names of
    their sources, and, by variant first, a row of logits for each text.
    """

    texts: dict[str, tuple[str, ...]]
    labels: dict[str, tuple[int, ...]]
    sources: dict[str, tuple[str, ...]]
    logits: dict[str, dict[str, tuple[tuple[float, ...], ...]]]

    def predicted(self, variant: str, part: str) -> NDArray[np.int64]:
        """The classes that a variant answered, (n,)."""
        classes: NDArray[np.int64] = np.array(self.logits[variant][part]).argmax(axis=1)
        return classes


@settings
class Benchmark:
    """All of one benchmark, as `benchmark_results.json` holds it.

    With `random_weights` it has speeds and sizes alone: nothing was trained.
    """

    study: str
    synthetic: bool
    random_weights: bool = False
    notes: tuple[str, ...]
    environment: dict[str, str]
    measurements: tuple[Measurement, ...]
    pairs: tuple[PairComparison, ...] = ()


def mark_synthetic(text: str, synthetic: bool) -> str:
    """Say of what stands over figures that they are those of a synthetic corpus, if they are."""
    return f"{text} (synthetic)" if synthetic else text

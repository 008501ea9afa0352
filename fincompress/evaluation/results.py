"""Benchmark results: the records of measurements and answers, and the keys of their metrics.

The records are written as JSON, and later commits read them back: a field may be added with a
default, and none may be renamed.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fincompress.config import settings
from fincompress.data.labels import SENTIMENT, metric_name

# The parts of the data that variants answer; `extra` only where the study names a file for it.
VAL, TEST, EXTRA = "val", "test", "extra"
HELD_OUT_TRANSFER = "held_out"  # of the transfer set, without labels; only shares are known of it
# The halves of the behavioural tests: variants may be chosen by the open one, and are reported on
# the other.
BEHAVIOUR_OPEN, BEHAVIOUR = "behaviour_open", "behaviour"
ALL_FAMILIES = "all"

# Metric keys: quality.
VAL_F1 = "val/macro_f1"
F1_DROP = "val/f1_drop"  # the teacher's macro-F1 less the variant's
AGREEMENT = "val/agreement"  # share of sentences on which variant and teacher agree
TEST_F1 = "test/macro_f1"
EXTRA_F1 = "extra/macro_f1"
TEST_AGREEMENT = "test/agreement"
PUBLISHED_F1 = "published/macro_f1"  # on test, quoted in the study file from a publication
ECE = "test/ece"  # expected calibration error
ECE_SCALED = "test/ece_scaled"  # the same after temperature scaling
TEMPERATURE = "test/temperature"  # fitted on validation

# Metric keys: speed and size.
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
BUILD_SECONDS = "build/seconds"  # of the run that built it, on the machine where that was
SPEEDUP = "bench/speedup_vs_teacher"
SPEEDUP_VS_SOURCE = "bench/speedup_vs_source"
OVER_BEFORE = "bench/latency_over_before"  # over that of this version in the previous benchmark
# How many times as fast as PUBLISHED_RECIPE, or PUBLISHED_PEER where that was not measured.
LATENCY_VS_PUBLISHED = "bench/latency_vs_published"
THROUGHPUT_VS_PUBLISHED = "bench/throughput_vs_published"
INT8_PRODUCTS = "bench/int8_products"  # matrix products of the compiled graph that run in INT8
PRODUCTS = "bench/products"  # all of them

# Keys of `Benchmark.environment`.
EXTRA_TEST = "extra_test"  # describes the files of the extra part
BEHAVIOUR_TESTS = "behavioural_tests"  # the fingerprint of their held-out half
REFERENCE_FIRST = "reference_first_ms"  # latency of the reference model before all others,
REFERENCE_LAST = "reference_last_ms"  # after them,
REFERENCE_BEFORE = "reference_before_ms"  # and in the previous benchmark

PUBLISHED_PEER = "teacher@huggingface_padded"  # Hugging Face's model in PyTorch, inputs padded
PUBLISHED_RECIPE = "published_recipe"  # the same in the published model's shape, random weights
MIN_ROUNDS = 20  # with fewer, a bootstrap interval covers less than the 95 % it claims
# A speed-up's relative uncertainty, and a drift of the reference, that is not worth a warning.
TOLERATED_SHARE = 0.1


def difference_keys(other: str, part: str) -> tuple[str, str]:
    """Return the keys of the difference of macro-F1 to `other`'s on `part`, and of McNemar's p.

    `other` is "teacher" or "source".
    """
    return f"{part}/f1_vs_{other}", f"{part}/mcnemar_vs_{other}"


def origin_key(origin: str, part: str = TEST) -> str:
    """Return the key of macro-F1 on the sentences of a part that come from one corpus or file."""
    return f"{part}/macro_f1/{metric_name(origin)}"


def confident_errors_key(part: str) -> str:
    """Return the key of the number of wrong answers on `part` with a high probability."""
    return f"{part}/confident_errors"


def behaviour_key(family: str, part: str = BEHAVIOUR) -> str:
    """Return the key of the share of a family's cases that pass, or of `ALL_FAMILIES`."""
    return f"{part}/{family}"


def batch_throughput_key(size: int) -> str:
    """Return the key of throughput in calls of `size` sentences."""
    return f"bench/throughput_batch_{size}_per_s"


def batch_vs_published_key(size: int) -> str:
    """Return the key of throughput in calls of `size` sentences over the published recipe's."""
    return f"bench/throughput_batch_{size}_vs_published"


def handed_over_key(part: str, origin: str = "") -> str:
    """Return the key of the share that a cascade hands over of a part, or of one origin in it."""
    return f"{part}/handed_over/{metric_name(origin)}" if origin else f"{part}/handed_over"


def thread_throughput_key(count: int) -> str:
    """Return the key of throughput on `count` threads."""
    return f"bench/throughput_threads_{count}_per_s"


def format_points(difference: float, interval: tuple[float, float]) -> str:
    """Return a difference of macro-F1 in points (hundredths), with its interval."""
    low, high = interval
    return f"{100 * difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def with_interval_ends(
    metrics: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    """Return `metrics` plus the ends of `intervals` as `<metric>_low` and `<metric>_high`."""
    ends = {
        f"{name}_{end}": value
        for name, interval in intervals.items()
        for end, value in zip(("low", "high"), interval, strict=True)
    }
    return {**metrics, **ends}


@settings
class Measurement:
    """What a benchmark measured of one model: a variant, a peer, or the floor.

    `variant`: its name; what runs the weights of a variant has a name with an `@`.
    `version`: the registered version that was measured. None for the floor, for peers, and for a
    source that was exported only to be compared with in the runtime of a variant made from it.
    `runtime`: the engine that computed.
    `precision`: the floating-point type of what the engine does not compute in INT8.
    `metrics`: by key, those that apply: the floor has no file and hence no size.
    `intervals`: 95 % bootstrap intervals, (low, high), of some of the metrics.
    `round_medians_ms`: the median latency of each round, (rounds,), in the order taken. Round i of
    every measurement of a benchmark was taken at about the same time, so that ratios are paired.
    `unreliable`: why the speed-up over the teacher is uncertain; empty if it is not.
    """

    variant: str
    version: int | None
    runtime: str
    precision: str = "f32"
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    round_medians_ms: tuple[float, ...] = ()
    unreliable: str = ""

    def with_quality(
        self, metrics: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]
    ) -> "Measurement":
        """Return the measurement with `metrics` and `intervals` added to its own."""
        return replace(
            self, metrics={**self.metrics, **metrics}, intervals={**self.intervals, **intervals}
        )

    def flat(self) -> dict[str, float]:
        """Return the metrics and the ends of their intervals, ready to be logged."""
        return with_interval_ends(self.metrics, self.intervals)

    @property
    def way(self) -> str:
        """Engine and precision, in the form of `Classifier.way`."""
        return self.runtime if self.precision == "f32" else f"{self.runtime} {self.precision}"

    @property
    def val_macro_f1(self) -> float:
        """Macro-F1 on validation."""
        return self.metrics[VAL_F1]

    @property
    def latency_p50_ms(self) -> float:
        """Median latency of one sentence."""
        return self.metrics[P50]

    @property
    def size_mb(self) -> float:
        """Size of all files that are deployed."""
        return self.metrics[SIZE]


def published_reference(variants: Collection[str]) -> str:
    """Return which of the measured `variants` stands for the published recipe."""
    return PUBLISHED_RECIPE if PUBLISHED_RECIPE in variants else PUBLISHED_PEER


def measured_loads(measurements: Iterable[Measurement], at: Callable[[int], str]) -> list[int]:
    """Return the batch sizes, or numbers of threads, at which throughput was measured, ascending.

    `at` returns the key of throughput at one of them.
    """
    before, after = at(0).split("0")
    keys = [key for m in measurements for key in m.metrics]
    inside = {key.removeprefix(before).removesuffix(after) for key in keys}
    return sorted(int(text) for text in inside if text.isdecimal())


@settings
class PairComparison:
    """Two variants made from one source, compared in quality and in training time.

    `first`, `second`: the variants. `differences`: for each part, macro-F1 of the first minus that
    of the second. `intervals`: the 95 % intervals of these. `seconds`: how long each was trained.
    """

    first: str
    second: str
    differences: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    seconds: tuple[float, float]

    def __str__(self) -> str:
        gains = [
            f"{format_points(self.differences[part], self.intervals[part])} on {part}"
            for part in self.differences
        ]
        low, high = self.intervals[VAL]
        verdict = "better" if low > 0 else "worse" if high < 0 else "not shown to be better"
        first_seconds, second_seconds = self.seconds
        return (
            f"{self.first} over {self.second}, points of macro-F1: {', '.join(gains)}; "
            f"{verdict} on validation, for {first_seconds:.0f} s of training against "
            f"{second_seconds:.0f} s"
        )


@settings
class Samples:
    """Raw timings of one model, in the order taken.

    `latency_ms`: of each call with a single sentence.
    `round_calls`: how many of these calls make a round; the last round may be shorter.
    `throughput_per_s`: sentences a second of each pass over the sentences in batches.
    `padded_latency_ms`: of each forward pass alone, of one sentence padded to the maximum length.
    """

    latency_ms: tuple[float, ...]
    round_calls: int
    throughput_per_s: tuple[float, ...]
    padded_latency_ms: tuple[float, ...]


@settings
class Answers:
    """What every variant answered; `answers.json` holds it.

    The keys of all fields but `logits` are parts: val, test, and extra if there is one.
    `texts`: the sentences. `labels`: their true class indices. `sources`: the origin of each, the
    corpus it comes from. `logits`: by variant, then by part, a row of logits for each sentence;
    registered versions, ablations and the floor have them for the two halves of the behavioural
    tests as well. `label_names`: the study's labels, of which classes are indices.
    """

    texts: dict[str, tuple[str, ...]]
    labels: dict[str, tuple[int, ...]]
    sources: dict[str, tuple[str, ...]]
    logits: dict[str, dict[str, tuple[tuple[float, ...], ...]]]
    label_names: tuple[str, ...] = SENTIMENT

    def predicted(self, variant: str, part: str) -> NDArray[np.int64]:
        """Return the classes that `variant` predicts on `part`, (n,)."""
        classes: NDArray[np.int64] = np.array(self.logits[variant][part]).argmax(axis=1)
        return classes


@settings
class FamilyResult:
    """What the variants scored on one family of behavioural tests, on its held-out half.

    `family`: its name, or `all` for all families together. `question`: the capability that it asks
    for. `kind`: how it asks. `cases`: how many there are. By variant are `shares`: the share of
    cases that pass, a mean over seeds; `intervals`: the 95 % intervals of these; `differences`: the
    share less the teacher's; `difference_intervals`: the 95 % intervals of these; `p_values`:
    McNemar's p of the difference, corrected for the number of families (Holm) and of seeds.
    """

    family: str
    question: str
    kind: str
    cases: int
    shares: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    differences: dict[str, float]
    difference_intervals: dict[str, tuple[float, float]]
    p_values: dict[str, float] = Field(default_factory=dict)


@settings
class Benchmark:
    """All results of one benchmark; `benchmark_results.json` holds them.

    `study`: its name. `synthetic`: whether the data are the generated corpus. `random_weights`:
    whether the models are untrained, so that only their speeds and sizes mean something. `notes`:
    licences and warnings of data and bases. `environment`: CPU, library versions and the like.
    `measurements`: one for each model. `pairs`: the comparisons that the study asks for.
    `behaviour`: the results of the behavioural tests, those of all families first.
    """

    study: str
    synthetic: bool
    random_weights: bool = False
    notes: tuple[str, ...]
    environment: dict[str, str]
    measurements: tuple[Measurement, ...]
    pairs: tuple[PairComparison, ...] = ()
    behaviour: tuple[FamilyResult, ...] = ()


def mark_synthetic(text: str, synthetic: bool) -> str:
    """Return a heading, marked as "(synthetic)" if its figures come from the generated corpus."""
    return f"{text} (synthetic)" if synthetic else text

"""Speed-ups: ratios of speed to the teacher, the source and the published recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fincompress.config import UserError
from fincompress.evaluation.metrics import paired_ratio
from fincompress.evaluation.results import (
    LATENCY_VS_PUBLISHED,
    MIN_ROUNDS,
    OVER_BEFORE,
    P50,
    SPEEDUP,
    SPEEDUP_VS_SOURCE,
    THROUGHPUT,
    THROUGHPUT_VS_PUBLISHED,
    TOLERATED_SHARE,
    Measurement,
    batch_throughput_key,
    batch_vs_published_key,
    measured_loads,
)


def add_speedups(
    measurements: Sequence[Measurement],
    *,
    teacher: str,
    published: str,
    sources: Mapping[str, str],
    before: Sequence[Measurement] = (),
) -> tuple[Measurement, ...]:
    """Return the measurements with their speed-ups added to metrics and intervals.

    A speed-up is the other model's latency over the variant's own, taken round by round, with its
    95 % interval. One over the teacher that is too uncertain makes the measurement `unreliable`.
    Models that are not among the `measurements` have failed, and no ratio to them is added.

    `teacher`: the variant that all others are compared with.
    `published`: the measurement of the published recipe.
    `sources`: for each variant, the measurement of its source in the variant's own runtime.
    `before`: the measurements of the previous benchmark, for the drift of a version's latency.

    Raises `UserError` if the teacher has not been measured.
    """
    by_name = {m.variant: m for m in measurements}
    if teacher not in by_name:
        raise UserError(f"benchmark: a study needs the variant '{teacher}' to compare with")
    latency_before = {(m.variant, m.version): m.metrics[P50] for m in before if P50 in m.metrics}

    def with_ratios(measurement: Measurement) -> Measurement:
        others = {
            SPEEDUP: teacher,
            SPEEDUP_VS_SOURCE: sources.get(measurement.variant, ""),
            LATENCY_VS_PUBLISHED: published,
        }
        ratios, intervals = dict[str, float](), dict[str, tuple[float, float]]()
        for key, other in others.items():
            if other in by_name:
                ratios[key], intervals[key] = paired_ratio(
                    by_name[other].round_medians_ms, measurement.round_medians_ms
                )
        if published in by_name:
            rate = by_name[published].metrics[THROUGHPUT]
            ratios[THROUGHPUT_VS_PUBLISHED] = measurement.metrics[THROUGHPUT] / rate
            ratios |= _by_batch(measurement, by_name[published])
        if (measurement.variant, measurement.version) in latency_before:
            previous = latency_before[measurement.variant, measurement.version]
            ratios[OVER_BEFORE] = measurement.metrics[P50] / previous
        return replace(
            measurement,
            metrics=measurement.metrics | ratios,
            intervals=measurement.intervals | intervals,
            unreliable=_unreliable(
                ratios[SPEEDUP], intervals[SPEEDUP], len(measurement.round_medians_ms)
            ),
        )

    return tuple(with_ratios(m) for m in measurements)


def _by_batch(measurement: Measurement, published: Measurement) -> dict[str, float]:
    """Throughput over the published recipe's, in calls of each size.

    In calls that are larger than the recipe's, its rate is the highest that it has in any.
    """
    rates = {
        size: published.metrics[batch_throughput_key(size)]
        for size in measured_loads([published], batch_throughput_key)
    }
    if not rates:
        return {}
    return {
        batch_vs_published_key(size): measurement.metrics[batch_throughput_key(size)]
        / rates.get(size, max(rates.values()))
        for size in measured_loads([measurement], batch_throughput_key)
    }


def _unreliable(speedup: float, interval: tuple[float, float], rounds: int) -> str:
    """Return why a speed-up is too uncertain, or "" if it is not.

    An interval that lies on one side of 1 is certain enough however wide it is: on a busy machine,
    14 [9, 17] times as fast as the teacher is faster beyond doubt.
    """
    if rounds < MIN_ROUNDS:
        return f"{rounds} rounds are fewer than {MIN_ROUNDS}"
    low, high = interval
    uncertainty = (high - low) / 2 / speedup
    if uncertainty <= TOLERATED_SHARE or not low <= 1 <= high:
        return ""
    return f"its speed-up is known only to within {uncertainty:.0%}, and its interval contains 1"

"""Results side by side become ratios of speed: to the teacher, the source, the peers."""

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
)


def add_speedups(
    measurements: Sequence[Measurement],
    *,
    teacher: str,
    published: str,
    sources: Mapping[str, str],
    before: Sequence[Measurement] = (),
) -> tuple[Measurement, ...]:
    """Add to each one's metrics what they are beside those of others.

    Ratios of latency are the other's over its own, taken round by round, with their intervals; a
    speed-up over the teacher that is not known well makes a measurement unreliable. `sources`
    names, for a variant, the measurement of its source in the same runtime, `published` that of the
    published recipe, `before` what was measured in the benchmark before. What is not among the
    `measurements` has failed, and nothing is set beside it. Raises `UserError` if that is the
    teacher.
    """
    by_name = {m.variant: m for m in measurements}
    if teacher not in by_name:
        raise UserError(f"benchmark: a study needs the variant '{teacher}' to compare with")
    then = {(m.variant, m.version): m.metrics[P50] for m in before if P50 in m.metrics}

    def one(own: Measurement) -> Measurement:
        others = {
            SPEEDUP: teacher,
            SPEEDUP_VS_SOURCE: sources.get(own.variant, ""),
            LATENCY_VS_PUBLISHED: published,
        }
        found, intervals = dict[str, float](), dict[str, tuple[float, float]]()
        for key, other in others.items():
            if other in by_name:
                theirs = by_name[other].round_medians_ms
                found[key], intervals[key] = paired_ratio(theirs, own.round_medians_ms)
        if published in by_name:
            rate = by_name[published].metrics[THROUGHPUT]
            found[THROUGHPUT_VS_PUBLISHED] = own.metrics[THROUGHPUT] / rate
        if (own.variant, own.version) in then:
            found[OVER_BEFORE] = own.metrics[P50] / then[own.variant, own.version]
        return replace(
            own,
            metrics=own.metrics | found,
            intervals=own.intervals | intervals,
            unreliable=_unreliable(found[SPEEDUP], intervals[SPEEDUP], len(own.round_medians_ms)),
        )

    return tuple(one(m) for m in measurements)


def _unreliable(speedup: float, interval: tuple[float, float], rounds: int) -> str:
    """Why a speed-up is not known well, if it is not.

    One whose whole interval is on one side of 1 is known well enough however wide it is: on a busy
    machine 14 [9, 17] times as fast as the teacher is fast beyond doubt.
    """
    if rounds < MIN_ROUNDS:  # too few to resample
        return f"{rounds} rounds are fewer than {MIN_ROUNDS}"
    low, high = interval
    uncertain = (high - low) / 2 / speedup
    if uncertain <= TOLERATED_SHARE or not low <= 1 <= high:
        return ""
    return f"its speed-up is known to within {uncertain:.0%} only, and may be none"

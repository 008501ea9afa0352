"""Results side by side become ratios of speed: to the teacher, the source, the peers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fincompress.evaluation.benchmark import Result
from fincompress.evaluation.measurement import (
    LATENCY_VS_PUBLISHED,
    OVER_BEFORE,
    P50,
    SPEEDUP,
    SPEEDUP_VS_SOURCE,
    THROUGHPUT,
    THROUGHPUT_VS_PUBLISHED,
    Measurement,
)
from fincompress.spec import UserError


def related(
    results: Sequence[Result],
    *,
    teacher: str,
    published: str,
    sources: Mapping[str, str],
    before: Sequence[Measurement] = (),
) -> tuple[Measurement, ...]:
    """Add to each one's metrics what they are beside those of others.

    Speed-ups are the other's median latency over its own. `sources` names, for a variant, the
    measurement of its source in the same runtime, `published` that of the published recipe,
    `before` what was measured in the benchmark before. Raises `UserError` if the teacher is not
    among them.
    """
    by_name = {result.measurement.variant: result for result in results}
    if teacher not in by_name:
        raise UserError(f"benchmark: a study needs the variant '{teacher}' to compare with")
    latency = {name: result.measurement.metrics[P50] for name, result in by_name.items()}

    then = {(m.variant, m.version): m.metrics[P50] for m in before if P50 in m.metrics}

    def one(result: Result) -> Measurement:
        own = result.measurement
        found = {SPEEDUP: latency[teacher] / own.metrics[P50]}
        if own.variant in sources:
            found[SPEEDUP_VS_SOURCE] = latency[sources[own.variant]] / own.metrics[P50]
        if (own.variant, own.version) in then:
            found[OVER_BEFORE] = own.metrics[P50] / then[own.variant, own.version]
        if published in by_name:
            theirs = by_name[published].measurement.metrics
            found[LATENCY_VS_PUBLISHED] = theirs[P50] / own.metrics[P50]
            found[THROUGHPUT_VS_PUBLISHED] = own.metrics[THROUGHPUT] / theirs[THROUGHPUT]
        return replace(own, metrics=own.metrics | found)

    return tuple(one(result) for result in results)

"""Comparison of measurements: speed-ups and scores of each variant, put together as a benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from fincompress.benchmark.protocol import MeasuredSubjects
from fincompress.data import Sentences
from fincompress.data.behaviour import Family
from fincompress.evaluation.behaviour import score_behaviour
from fincompress.evaluation.quality import (
    add_quality,
    collect_answers,
    compare_variants,
    shares_handed_over,
)
from fincompress.evaluation.results import (
    BUILD_SECONDS,
    Answers,
    Benchmark,
    Measurement,
    published_reference,
)
from fincompress.evaluation.speedups import add_speedups


@dataclass(frozen=True)
class Relations:
    """What each measurement is compared with, by variant.

    `teacher`: the variant that all are compared with. `sources`: the one that each was made from.
    `references`: the measurement of that source in the engine of what was made from it.
    `published`: macro-F1 that another study has published. `pairs`: two variants of one source, and
    for how many seconds each was trained. `before`: the measurements of the benchmark before.
    `built`: for how many seconds each registered version was built.
    """

    teacher: str
    sources: Mapping[str, str]
    references: Mapping[str, str]
    published: Mapping[str, float]
    pairs: Mapping[tuple[str, str], tuple[float, float]]
    before: Sequence[Measurement] = ()
    built: Mapping[str, float] = field(default_factory=dict)


def compare(
    measured: MeasuredSubjects,
    parts: Mapping[str, Sentences],
    families: Sequence[Family],
    relations: Relations,
    blank: Benchmark,
) -> tuple[Benchmark, Answers]:
    """Return the benchmark of what was `measured`, and the answers that it was scored by.

    `parts` are the sentences that were answered, by part; none if nothing is to be scored.
    `families` are the behavioural tests that registered versions and the floor answered. `blank` is
    the benchmark without measurements: study, notes and environment. Pure. Raises `UserError` if
    the teacher was not measured.
    """
    results = measured.results
    names = [result.measurement.variant for result in results]
    logits = {r.measurement.variant: r.logits for r in results if r.logits}
    answers = collect_answers(parts, logits)
    measurements = add_quality(
        add_speedups(
            [result.measurement for result in results],
            teacher=relations.teacher,
            published=published_reference(names),
            sources=relations.references,
            before=relations.before,
        ),
        answers,
        relations.teacher,
        {n: source for n, source in relations.sources.items() if source in answers.logits},
        relations.published,
    )
    pairs = tuple(
        compare_variants([answers], *pair, seconds)
        for pair, seconds in relations.pairs.items()
        if {*pair} <= answers.logits.keys()
    )
    qualities, behaviour = score_behaviour(families, [answers], relations.teacher)
    measurements = tuple(m.with_quality(*qualities.get(m.variant, ({}, {}))) for m in measurements)
    shares = {r.measurement.variant: shares_handed_over(r.handed_over, parts) for r in results}
    costs = {name: {BUILD_SECONDS: seconds} for name, seconds in relations.built.items()}
    measurements = tuple(
        m.with_quality(shares[m.variant] | costs.get(m.variant, {}), {}) for m in measurements
    )
    return replace(blank, measurements=measurements, pairs=pairs, behaviour=behaviour), answers

"""Answers become how good they are: scores, and differences to the teacher and to the source.

Of models that were trained with several seeds it is the mean over these. Intervals resample
sentences, the same ones for all models and seeds: they are those of these models, and tell nothing
of other seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fincompress.data import Sentences
from fincompress.evaluation.calibration import (
    class_probabilities,
    expected_calibration_error,
    fit_temperature,
)
from fincompress.evaluation.metrics import (
    classification_scores,
    f1_intervals,
    macro_f1_difference_interval,
    mcnemar_p_value,
)
from fincompress.evaluation.results import (
    ECE,
    ECE_SCALED,
    F1_DROP,
    PUBLISHED_F1,
    TEMPERATURE,
    TEST,
    VAL,
    Answers,
    Measurement,
    PairComparison,
    difference_keys,
    origin_key,
)

Quality = tuple[dict[str, float], dict[str, tuple[float, float]]]  # metrics, intervals
Classes = NDArray[np.int64]
Probabilities = NDArray[np.float64]


def collect_answers(
    parts: Mapping[str, Sentences], logits: Mapping[str, Mapping[str, NDArray[np.float32]]]
) -> Answers:
    """Put together the `parts` and what each variant answered, (n, labels) by part."""
    return Answers(
        texts={name: part.texts for name, part in parts.items()},
        labels={name: part.labels for name, part in parts.items()},
        sources={name: part.sources for name, part in parts.items()},
        logits={
            variant: {
                part: tuple(map(tuple, np.round(rows.astype(np.float64), 6).tolist()))
                for part, rows in answered.items()
            }
            for variant, answered in logits.items()
        },
    )


def add_quality(
    measurements: Sequence[Measurement],
    answers: Answers,
    teacher: str,
    sources: Mapping[str, str],
    published: Mapping[str, float],
) -> tuple[Measurement, ...]:
    """Add to each one's metrics and intervals how good its answers are, if it gave any.

    `published` are figures of another study, to stand beside them.
    """

    def one(own: Measurement) -> Measurement:
        if own.variant not in answers.logits:
            return own
        metrics, intervals = quality_metrics(
            [answers], own.variant, teacher, sources.get(own.variant)
        )
        if own.variant in published:
            metrics[PUBLISHED_F1] = published[own.variant]
        return replace(own, metrics=own.metrics | metrics, intervals=own.intervals | intervals)

    return tuple(one(m) for m in measurements)


def quality_metrics(
    answers: Sequence[Answers], variant: str, teacher: str, source: str | None = None
) -> Quality:
    """Return metrics and intervals of `variant`; `answers` are those of each seed.

    By part: macro-F1 with its interval and the other scores, the share of the teacher's labels,
    and the difference of macro-F1 to the `teacher` and the `source`, with its interval and
    McNemar's p (of several seeds the least, times their number). Of test too: macro-F1 by where
    the sentences are from, and the calibration error before and after temperature scaling.
    """
    metrics: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    others = {"teacher": teacher} | ({"source": source} if source else {})
    for part in answers[0].labels:
        labels: Sequence[int] = answers[0].labels[part]
        ours = _predicted(answers, variant, part)
        metrics |= {f"{part}/{name}": value for name, value in _mean_scores(labels, ours).items()}
        intervals |= {f"{part}/{name}": ends for name, ends in f1_intervals(labels, ours).items()}
        for name, other in others.items():
            theirs = _predicted(answers, other, part)
            difference, least = difference_keys(name, part)
            metrics[difference], intervals[difference] = _gained(labels, ours, theirs)
            found = [mcnemar_p_value(labels, a, b) for a, b in zip(ours, theirs, strict=True)]
            metrics[least] = min(1.0, len(found) * min(found))
        metrics[f"{part}/agreement"] = float(np.mean(ours == _predicted(answers, teacher, part)))
    difference, _ = difference_keys("teacher", VAL)
    low, high = intervals[difference]
    metrics[F1_DROP], intervals[F1_DROP] = 0.0 - metrics[difference], (0.0 - high, 0.0 - low)
    calibration = np.mean([_calibration(one, variant) for one in answers], axis=0)
    metrics |= dict(zip((TEMPERATURE, ECE, ECE_SCALED), calibration.tolist(), strict=True))
    origins = answers[0].sources[TEST]
    for name in sorted(set(origins)) if len(set(origins)) > 1 else []:
        own = [place for place, origin in enumerate(origins) if origin == name]
        labels = [answers[0].labels[TEST][place] for place in own]
        ours = _predicted(answers, variant, TEST)[:, own]
        metrics[origin_key(name)] = _mean_scores(labels, ours)["macro_f1"]
        intervals[origin_key(name)] = f1_intervals(labels, ours)["macro_f1"]
    return metrics, intervals


def compare_variants(
    answers: Sequence[Answers], first: str, second: str, seconds: tuple[float, float]
) -> PairComparison:
    """Set two variants of one source side by side; `seconds` is how long each was trained."""
    gained = {
        part: _gained(
            answers[0].labels[part],
            _predicted(answers, first, part),
            _predicted(answers, second, part),
        )
        for part in (VAL, TEST)
    }
    return PairComparison(
        first=first,
        second=second,
        differences={part: difference for part, (difference, _) in gained.items()},
        intervals={part: interval for part, (_, interval) in gained.items()},
        seconds=seconds,
    )


def temperature_scaling(
    answers: Answers, variant: str
) -> tuple[float, Probabilities, Probabilities]:
    """Return the temperature, and the probabilities on test, (n, labels), without it and with it.

    Validation chooses it, as in Guo et al. (2017), "On Calibration of Modern Neural Networks": of
    training sentences a model is sure because it knows them.
    """
    chosen = fit_temperature(answers.labels[VAL], np.array(answers.logits[variant][VAL]))
    logits = np.array(answers.logits[variant][TEST])
    return chosen, class_probabilities(logits), class_probabilities(logits, chosen)


def _gained(
    labels: Sequence[int], ours: Classes, theirs: Classes
) -> tuple[float, tuple[float, float]]:
    """The difference of macro-F1, ours less theirs, and its interval; both (seeds, n)."""
    first, second = (_mean_scores(labels, classes)["macro_f1"] for classes in (ours, theirs))
    return first - second, macro_f1_difference_interval(labels, ours, theirs)


def _predicted(answers: Sequence[Answers], variant: str, part: str) -> Classes:
    """The classes that models of several seeds answered, (seeds, n)."""
    return np.stack([one.predicted(variant, part) for one in answers])


def _mean_scores(labels: Sequence[int], predicted: Classes) -> dict[str, float]:
    found = [classification_scores(labels, row) for row in predicted]
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def _calibration(answers: Answers, variant: str) -> tuple[float, float, float]:
    """The temperature, and the calibration error on test without it and with it."""
    chosen, before, after = temperature_scaling(answers, variant)
    labels = answers.labels[TEST]
    first, second = (expected_calibration_error(labels, given) for given in (before, after))
    return chosen, first, second

"""Quality metrics: what a variant's logits say of it, alone and against teacher and source.

Scores of models that were trained with several seeds are means over these. Intervals come from
resampling sentences, the same ones for all models and seeds: they describe these trained models,
not what another seed would give.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fincompress.data import SENTIMENT, Sentences
from fincompress.evaluation.calibration import (
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
    confident_errors_key,
    difference_keys,
    handed_over_key,
    origin_key,
)
from fincompress.models.probabilities import class_probabilities

CONFIDENT = 0.9  # the probability above which a wrong answer is a confident error

Quality = tuple[dict[str, float], dict[str, tuple[float, float]]]  # metrics, intervals
Classes = NDArray[np.int64]
Probabilities = NDArray[np.float64]


def collect_answers(
    parts: Mapping[str, Sentences], logits: Mapping[str, Mapping[str, NDArray[np.float32]]]
) -> Answers:
    """Return the sentences of all `parts` with what each variant answered.

    `logits` holds, by variant and then by part, an array (n, labels). They are rounded to six
    decimals, which keeps the JSON file small. All parts have the same labels.
    """
    names = {part.label_names for part in parts.values()}
    return Answers(
        label_names=names.pop() if names else SENTIMENT,
        texts={name: part.texts for name, part in parts.items()},
        labels={name: part.labels for name, part in parts.items()},
        sources={name: part.origins for name, part in parts.items()},
        logits={
            variant: {
                part: tuple(map(tuple, np.round(rows.astype(np.float64), 6).tolist()))
                for part, rows in by_part.items()
            }
            for variant, by_part in logits.items()
        },
    )


def shares_handed_over(
    handed_over: Mapping[str, NDArray[np.bool_]], parts: Mapping[str, Sentences]
) -> dict[str, float]:
    """Return the share of each part that a cascade hands over, by key.

    `handed_over` says of each sentence of a part whether it is, (n,). Of those in `parts` the share
    of each origin is there, too.
    """
    shares = dict[str, float]()
    for part, rows in handed_over.items():
        shares[handed_over_key(part)] = float(rows.mean())
        origins = np.array(parts[part].origins if part in parts else ())
        for origin in sorted(set(origins.tolist())):
            shares[handed_over_key(part, origin)] = float(rows[origins == origin].mean())
    return shares


def add_quality(
    measurements: Sequence[Measurement],
    answers: Answers,
    teacher: str,
    sources: Mapping[str, str],
    published: Mapping[str, float],
) -> tuple[Measurement, ...]:
    """Return the measurements with the quality of their answers added to metrics and intervals.

    `sources` names the source of each variant that has one. `published` holds macro-F1 from a
    publication, for variants that it reports. A measurement without answers is returned unchanged.
    """

    def with_quality(measurement: Measurement) -> Measurement:
        if measurement.variant not in answers.logits:
            return measurement
        source = sources.get(measurement.variant)
        metrics, intervals = quality_metrics([answers], measurement.variant, teacher, source)
        if measurement.variant in published:
            metrics[PUBLISHED_F1] = published[measurement.variant]
        return measurement.with_quality(metrics, intervals)

    return tuple(with_quality(m) for m in measurements)


def quality_metrics(
    answers: Sequence[Answers], variant: str, teacher: str, source: str | None = None
) -> Quality:
    """Return the metrics of `variant` by key, and the 95 % intervals of some of them.

    `answers` holds one element for each training seed. The metrics are:

    * for each part that it has answered, the scores, the share of sentences that get the teacher's
      label, and the difference of macro-F1 to the `teacher` and to the `source`, with McNemar's p
      (over several seeds the smallest, Bonferroni-corrected for their number);
    * for each part, the number of confident errors, wrong answers with a probability above
      `CONFIDENT`;
    * how far macro-F1 on validation is below the teacher's;
    * on test, the temperature and the calibration error before and after temperature scaling;
    * macro-F1 by origin, for each part but validation whose sentences have several.
    """
    metrics: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    others = {"teacher": teacher} | ({"source": source} if source else {})
    for part, labels in answers[0].labels.items():
        if part not in answers[0].logits[variant]:
            continue
        classes = _classes(answers, variant, part)  # (seeds, n)
        scores = _mean_scores(answers[0], labels, classes)
        metrics |= {f"{part}/{name}": score for name, score in scores.items()}
        ends = f1_intervals(labels, classes, answers[0].label_names)
        intervals |= {f"{part}/{name}": interval for name, interval in ends.items()}
        for role, other in others.items():
            other_classes = _classes(answers, other, part)
            key, p_key = difference_keys(role, part)
            metrics[key], intervals[key] = _f1_difference(
                answers[0], labels, classes, other_classes
            )
            pairs = zip(classes, other_classes, strict=True)
            p_values = [mcnemar_p_value(labels, a, b) for a, b in pairs]
            metrics[p_key] = min(1.0, len(p_values) * min(p_values))
        agreement = np.mean(classes == _classes(answers, teacher, part))
        metrics[f"{part}/agreement"] = float(agreement)
        errors = [confident_errors(labels, one.logits[variant][part]) for one in answers]
        metrics[confident_errors_key(part)] = float(np.mean(errors))
        if part != VAL:
            by_origin, origin_intervals = _f1_by_origin(answers, variant, part)
            metrics |= by_origin
            intervals |= origin_intervals
    key, _ = difference_keys("teacher", VAL)
    low, high = intervals[key]
    metrics[F1_DROP], intervals[F1_DROP] = 0.0 - metrics[key], (0.0 - high, 0.0 - low)
    calibration = np.mean([_calibration(one, variant) for one in answers], axis=0)  # (3,)
    metrics |= dict(zip((TEMPERATURE, ECE, ECE_SCALED), calibration.tolist(), strict=True))
    return metrics, intervals


def compare_variants(
    answers: Sequence[Answers], first: str, second: str, seconds: tuple[float, float]
) -> PairComparison:
    """Compare the macro-F1 of two variants on validation and test.

    `answers` holds one element for each training seed; `seconds` is how long each was trained.
    """
    differences, intervals = {}, {}
    for part in (VAL, TEST):
        differences[part], intervals[part] = _f1_difference(
            answers[0],
            answers[0].labels[part],
            _classes(answers, first, part),
            _classes(answers, second, part),
        )
    return PairComparison(
        first=first, second=second, differences=differences, intervals=intervals, seconds=seconds
    )


def temperature_scaling(
    answers: Answers, variant: str
) -> tuple[float, Probabilities, Probabilities]:
    """Return the temperature, and the probabilities on test, (n, labels), without it and with it.

    The temperature is fitted on validation, as in Guo et al. (2017), "On Calibration of Modern
    Neural Networks": on sentences that it was trained on, a model is too confident.
    """
    temperature = fit_temperature(answers.labels[VAL], np.array(answers.logits[variant][VAL]))
    logits = np.array(answers.logits[variant][TEST])
    return temperature, class_probabilities(logits), class_probabilities(logits, temperature)


def confident_errors(labels: Sequence[int], logits: ArrayLike) -> int:
    """Return how many wrong answers have a probability above `CONFIDENT`.

    Labels are class indices, (n,), and logits (n, labels).
    """
    probabilities = class_probabilities(logits)  # (n, labels)
    wrong = probabilities.argmax(axis=1) != np.asarray(labels)
    return int((wrong & (probabilities.max(axis=1) > CONFIDENT)).sum())


def _f1_by_origin(answers: Sequence[Answers], variant: str, part: str) -> Quality:
    """Macro-F1 on the sentences of each origin of a part; nothing if there is only one."""
    metrics, intervals = {}, {}
    origins = np.array(answers[0].sources[part])
    labels = np.array(answers[0].labels[part])
    names = sorted(set(origins.tolist()))
    for name in names if len(names) > 1 else []:
        rows = np.flatnonzero(origins == name)
        own_labels, own_classes = labels[rows].tolist(), _classes(answers, variant, part)[:, rows]
        key = origin_key(name, part)
        metrics[key] = _mean_scores(answers[0], own_labels, own_classes)["macro_f1"]
        ends = f1_intervals(own_labels, own_classes, answers[0].label_names)
        intervals[key] = ends["macro_f1"]
    return metrics, intervals


def _f1_difference(
    of: Answers, labels: Sequence[int], first: Classes, second: Classes
) -> tuple[float, tuple[float, float]]:
    """Macro-F1 of `first` minus that of `second`, and its interval; both (seeds, n)."""
    first_f1, second_f1 = (_mean_scores(of, labels, c)["macro_f1"] for c in (first, second))
    interval = macro_f1_difference_interval(labels, first, second, len(of.label_names))
    return first_f1 - second_f1, interval


def _classes(answers: Sequence[Answers], variant: str, part: str) -> Classes:
    """The classes that the models of all seeds predict, (seeds, n)."""
    return np.stack([one.predicted(variant, part) for one in answers])


def _mean_scores(of: Answers, labels: Sequence[int], classes: Classes) -> dict[str, float]:
    """The scores of predictions (seeds, n), as means over seeds."""
    by_seed = [classification_scores(labels, row, of.label_names) for row in classes]
    return {name: float(np.mean([scores[name] for scores in by_seed])) for name in by_seed[0]}


def _calibration(answers: Answers, variant: str) -> tuple[float, float, float]:
    """The temperature, and the calibration error on test without it and with it."""
    temperature, before, after = temperature_scaling(answers, variant)
    labels = answers.labels[TEST]
    errors = [expected_calibration_error(labels, rows) for rows in (before, after)]
    return temperature, errors[0], errors[1]

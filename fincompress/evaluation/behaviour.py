"""Behaviour scores: the share of each family of behavioural tests that a variant passes.

A sentence of minimum functionality passes if it gets the family's label, a pair of invariance if
both sentences get the same label, and a pair of direction if the addition moves the score, the
probability of positive less that of negative, by no more than `TOLERANCE` in the wrong direction.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest  # type: ignore[import-untyped]

from fincompress.data.behaviour import (
    HELD_OUT,
    INVARIANCE,
    MINIMUM_FUNCTIONALITY,
    NOT_MORE_POSITIVE,
    OPEN,
    Family,
    half_texts,
)
from fincompress.data.labels import SENTIMENT
from fincompress.evaluation.metrics import RESAMPLES, interval_ends, mcnemar_p_value
from fincompress.evaluation.quality import Quality, confident_errors
from fincompress.evaluation.results import (
    ALL_FAMILIES,
    BEHAVIOUR,
    BEHAVIOUR_OPEN,
    Answers,
    FamilyResult,
    behaviour_key,
    confident_errors_key,
)
from fincompress.models.probabilities import class_probabilities

TOLERANCE = 0.1  # of a score from -1 to 1; Ribeiro et al. (2020) use the same for direction
NO_LABEL = -1
HALF_OF = {BEHAVIOUR_OPEN: OPEN, BEHAVIOUR: HELD_OUT}  # of a part

Passed = dict[str, NDArray[np.bool_]]  # by family: (seeds, cases)


def behaviour_parts(families: Sequence[Family]) -> dict[str, tuple[str, ...]]:
    """Return the sentences of each half, by part; nothing if there are no families."""
    return {part: half_texts(families, half) for part, half in HALF_OF.items() if families}


def score_behaviour(
    families: Sequence[Family], answers: Sequence[Answers], teacher: str
) -> tuple[dict[str, Quality], tuple[FamilyResult, ...]]:
    """Return the metrics of each variant that answered the tests, and the results by family.

    `answers` holds one element for each training seed. The metrics are the share that passes of
    each family, of all families in either half, and the number of confident errors. Nothing is
    returned if the `teacher` did not answer the tests.
    """
    names = [name for name, by_part in answers[0].logits.items() if BEHAVIOUR in by_part]
    if not families or teacher not in names:
        return {}, ()

    def outcomes(part: str) -> dict[str, Passed]:
        return {
            name: _join_seeds(
                passed_cases(families, HALF_OF[part], one.logits[name][part]) for one in answers
            )
            for name in names
        }

    open_half, held_out = outcomes(BEHAVIOUR_OPEN), outcomes(BEHAVIOUR)
    results = family_results(families, held_out, teacher)
    qualities: dict[str, Quality] = {}
    for name in names:
        errors = [
            errors_with_confidence(families, HELD_OUT, one.logits[name][BEHAVIOUR])
            for one in answers
        ]
        metrics = {behaviour_key(result.family): result.shares[name] for result in results}
        metrics[behaviour_key(ALL_FAMILIES, BEHAVIOUR_OPEN)] = share_passed(open_half[name])
        metrics[confident_errors_key(BEHAVIOUR)] = float(np.mean(errors))
        everything = behaviour_key(ALL_FAMILIES)
        qualities[name] = metrics, {everything: results[0].intervals[name]}
    return qualities, results


def passed_cases(families: Sequence[Family], half: str, logits: ArrayLike) -> Passed:
    """Return which cases pass, by family, (1, cases) each; families without cases are left out.

    `logits` are those of `half_texts(families, half)`, (texts, labels).
    """
    return {
        family.name: which_pass(family, probabilities)[None]
        for family, probabilities in family_probabilities(families, half, logits)
    }


def family_probabilities(
    families: Sequence[Family], half: str, logits: ArrayLike
) -> Iterator[tuple[Family, NDArray[np.float64]]]:
    """Yield each family that has cases, with their probabilities, (cases, texts, labels).

    `logits` are those of `half_texts(families, half)`, (texts, labels).
    """
    probabilities = class_probabilities(logits)  # (texts, labels)
    start = 0
    for family in families:
        if cases := family.cases[half]:
            sides = len(cases[0].texts)
            end = start + sides * len(cases)
            yield family, probabilities[start:end].reshape(len(cases), sides, -1)
            start = end


def which_pass(family: Family, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which cases pass, (cases,), by their probabilities, (cases, texts, labels)."""
    classes = probabilities.argmax(axis=2)  # (cases, texts)
    if family.kind == MINIMUM_FUNCTIONALITY:
        right: NDArray[np.bool_] = classes[:, 0] == family.label
        return right
    if family.kind == INVARIANCE:
        same: NDArray[np.bool_] = classes[:, 0] == classes[:, 1]
        return same
    negative, positive = SENTIMENT.index("negative"), SENTIMENT.index("positive")
    score = probabilities[:, :, positive] - probabilities[:, :, negative]  # (cases, texts)
    rise = score[:, 1] - score[:, 0]
    return (rise if family.expect == NOT_MORE_POSITIVE else -rise) <= TOLERANCE


def errors_with_confidence(families: Sequence[Family], half: str, logits: ArrayLike) -> int:
    """Return the number of confident errors on the sentences of minimum functionality.

    `logits` are those of `half_texts(families, half)`, (texts, labels).
    """
    labels = np.array([
        NO_LABEL if family.label is None else family.label
        for family in families
        for case in family.cases[half]
        for _ in case.texts
    ])  # fmt: skip
    known = np.flatnonzero(labels >= 0)
    return confident_errors(labels[known].tolist(), np.asarray(logits)[known])


def _join_seeds(outcomes: Iterable[Passed]) -> Passed:
    """The outcomes of several models as one, (seeds, cases) by family."""
    each = list(outcomes)
    return {family: np.concatenate([one[family] for one in each]) for family in each[0]}


def share_passed(passed: Passed) -> float:
    """Return the mean over families of the share that passes, so that all families weigh alike."""
    return float(np.mean([rows.mean() for rows in passed.values()]))


def family_results(
    families: Sequence[Family], passed: Mapping[str, Passed], teacher: str
) -> tuple[FamilyResult, ...]:
    """Return the result of all families together, and then of each, on their held-out halves.

    `passed` has the outcome of each variant, by variant and then by family, (seeds, cases). Of one
    family, intervals are Wilson's, and those of differences the paired bootstrap's, over cases. Of
    all families, both come from resampling the frames of each family, since sentences of one frame
    tend to pass or fail together.
    """
    frames = {f.name: np.array([case.frame for case in f.cases[HELD_OUT]]) for f in families}
    by_frame = {name: _shares_by_frame(own, frames) for name, own in passed.items()}
    everything = FamilyResult(
        family=ALL_FAMILIES,
        question="All families, which weigh alike.",
        kind="",
        cases=sum(map(len, frames.values())),
        shares={name: share_passed(own) for name, own in passed.items()},
        intervals={name: _interval_over_frames(own) for name, own in by_frame.items()},
        differences={
            name: share_passed(own) - share_passed(passed[teacher]) for name, own in passed.items()
        },
        difference_intervals={
            name: _interval_over_frames(
                {family: own[family] - by_frame[teacher][family] for family in own}
            )
            for name, own in by_frame.items()
        },
    )
    p_values = {name: _holm(_p_values(own, passed[teacher])) for name, own in passed.items()}
    return everything, *(_family_result(f, passed, teacher, p_values) for f in families)


def _family_result(
    family: Family,
    passed: Mapping[str, Passed],
    teacher: str,
    p_values: Mapping[str, Mapping[str, float]],
) -> FamilyResult:
    own = {name: by_family[family.name] for name, by_family in passed.items()}  # (seeds, cases)
    return FamilyResult(
        family=family.name,
        question=family.question,
        kind=family.kind,
        cases=len(family.cases[HELD_OUT]),
        shares={name: float(rows.mean()) for name, rows in own.items()},
        intervals={name: _wilson(rows) for name, rows in own.items()},
        differences={name: float(rows.mean() - own[teacher].mean()) for name, rows in own.items()},
        difference_intervals={
            name: _paired_interval(rows, own[teacher]) for name, rows in own.items()
        },
        p_values={name: p_values[name][family.name] for name in own},
    )


def _shares_by_frame(
    passed: Passed, frames: Mapping[str, NDArray[np.int64]]
) -> dict[str, NDArray[np.float64]]:
    """The share of each frame's cases that pass, by family, (frames,)."""
    return {
        family: np.array([rows[:, frames[family] == i].mean() for i in np.unique(frames[family])])
        for family, rows in passed.items()
    }


def _interval_over_frames(by_frame: Mapping[str, NDArray[np.float64]]) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    resampled = [
        shares[rng.integers(0, len(shares), (RESAMPLES, len(shares)))].mean(axis=1)
        for shares in by_frame.values()
    ]
    return interval_ends(np.mean(resampled, axis=0))


def _wilson(passed: NDArray[np.bool_]) -> tuple[float, float]:
    """The interval of a share, (seeds, cases); seeds do not add cases."""
    cases = passed.shape[1]
    ends = binomtest(round(passed.mean() * cases), cases).proportion_ci(method="wilson")
    return float(ends.low), float(ends.high)


def _paired_interval(passed: NDArray[np.bool_], teacher: NDArray[np.bool_]) -> tuple[float, float]:
    difference = passed.mean(axis=0) - teacher.mean(axis=0)  # (cases,)
    chosen = np.random.default_rng(0).integers(0, len(difference), (RESAMPLES, len(difference)))
    return interval_ends(difference[chosen].mean(axis=1))


def _p_values(passed: Passed, teacher: Passed) -> dict[str, float]:
    """McNemar's p by family: of several seeds the least, times their number."""
    values = {}
    for family, rows in passed.items():
        pairs = zip(rows, teacher[family], strict=True)
        each = [mcnemar_p_value([1] * len(own), own, other) for own, other in pairs]
        values[family] = min(1.0, len(each) * min(each))
    return values


def _holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """The p-values, each corrected for having been one of so many.

    Holm (1979), "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    corrected: dict[str, float] = {}
    highest = 0.0
    for rank, family in enumerate(sorted(p_values, key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[family]))
        corrected[family] = highest
    return corrected

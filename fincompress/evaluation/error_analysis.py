"""Answers become what single sentences show: confusions, reliability, strongest disagreements."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fincompress.data import LABELS
from fincompress.evaluation.calibration import Bin, class_probabilities, reliability_bins
from fincompress.evaluation.metrics import confusion_counts
from fincompress.evaluation.quality import temperature_scaling
from fincompress.evaluation.results import TEST, Answers

STRONGEST = 20  # disagreements of each variant


def confusion_by_variant(answers: Answers, variants: Sequence[str]) -> dict[str, list[list[int]]]:
    """Return, for each variant, the counts of its answers on test: a row for each right class."""
    labels = answers.labels[TEST]
    return {name: confusion_counts(labels, answers.predicted(name, TEST)) for name in variants}


def reliability_by_variant(
    answers: Answers, variants: Sequence[str]
) -> dict[str, tuple[list[Bin], list[Bin]]]:
    """Return, for each variant, its reliability on test, before and after temperature scaling."""
    labels, found = answers.labels[TEST], {}
    for name in variants:
        _, before, after = temperature_scaling(answers, name)
        found[name] = (reliability_bins(labels, before), reliability_bins(labels, after))
    return found


def disagreements_with_teacher(
    answers: Answers, teacher: str, variants: Sequence[str]
) -> pd.DataFrame:
    """Return the test sentences on which a variant is surest of another label than the teacher's.

    `strength` is how much less likely it finds the teacher's label than its own.
    """
    theirs = answers.predicted(teacher, TEST)
    sure = class_probabilities(np.array(answers.logits[teacher][TEST]))
    rows = []
    for name in variants:
        ours = answers.predicted(name, TEST)
        scores = class_probabilities(np.array(answers.logits[name][TEST]))
        for place in np.flatnonzero(ours != theirs):
            own, other = ours[place], theirs[place]
            rows.append(
                {
                    "variant": name,
                    "strength": scores[place, own] - scores[place, other],
                    "text": answers.texts[TEST][place],
                    "source": answers.sources[TEST][place],
                    "label": LABELS[answers.labels[TEST][place]],
                    "answer": LABELS[own],
                    "score": scores[place, own],
                    "teacher_answer": LABELS[other],
                    "teacher_score": sure[place, other],
                }
            )
    columns = [
        "variant",
        "strength",
        "text",
        "source",
        "label",
        "answer",
        "score",
        "teacher_answer",
        "teacher_score",
    ]
    found = pd.DataFrame(rows, columns=columns).round(4)
    found = found.sort_values("strength", ascending=False, kind="stable")
    return found.groupby("variant", sort=False).head(STRONGEST).reset_index(drop=True)

"""Error analysis: confusion matrices, reliability, and disagreements with the teacher, on test."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fincompress.evaluation.calibration import Bin, reliability_bins
from fincompress.evaluation.metrics import confusion_counts
from fincompress.evaluation.quality import temperature_scaling
from fincompress.evaluation.results import TEST, Answers
from fincompress.models.probabilities import class_probabilities

STRONGEST = 20  # disagreements listed for each variant
DISAGREEMENT_COLUMNS = (
    "variant",
    "strength",
    "text",
    "origin",
    "label",
    "answer",
    "score",
    "teacher_answer",
    "teacher_score",
)


def confusion_by_variant(answers: Answers, variants: Sequence[str]) -> dict[str, list[list[int]]]:
    """Return the confusion matrix of each variant on test, (labels, labels).

    A row holds the sentences of one true class, a column those that were predicted as one.
    """
    labels, classes = answers.labels[TEST], len(answers.label_names)
    return {
        name: confusion_counts(labels, answers.predicted(name, TEST), classes) for name in variants
    }


def reliability_by_variant(
    answers: Answers, variants: Sequence[str]
) -> dict[str, tuple[list[Bin], list[Bin]]]:
    """Return the reliability bins of each variant on test, before and after temperature scaling."""
    labels = answers.labels[TEST]
    bins = {}
    for name in variants:
        _, before, after = temperature_scaling(answers, name)
        bins[name] = (reliability_bins(labels, before), reliability_bins(labels, after))
    return bins


def disagreements_with_teacher(
    answers: Answers, teacher: str, variants: Sequence[str]
) -> pd.DataFrame:
    """Return the test sentences on which each variant contradicts the teacher most strongly.

    The frame has `DISAGREEMENT_COLUMNS`, and at most `STRONGEST` rows for each variant; strong
    disagreements come first. `strength` is the variant's probability of its own label less that of
    the teacher's label; `score` and `teacher_score` are the probabilities that each gives to its
    own answer.
    """
    teacher_classes = answers.predicted(teacher, TEST)  # (n,)
    teacher_probabilities = class_probabilities(np.array(answers.logits[teacher][TEST]))
    rows = []
    for name in variants:
        classes = answers.predicted(name, TEST)  # (n,)
        probabilities = class_probabilities(np.array(answers.logits[name][TEST]))  # (n, labels)
        for i in np.flatnonzero(classes != teacher_classes):
            answer, teacher_answer = classes[i], teacher_classes[i]
            score = probabilities[i, answer]
            rows.append(
                {
                    "variant": name,
                    "strength": score - probabilities[i, teacher_answer],
                    "text": answers.texts[TEST][i],
                    "origin": answers.sources[TEST][i],
                    "label": answers.label_names[answers.labels[TEST][i]],
                    "answer": answers.label_names[answer],
                    "score": score,
                    "teacher_answer": answers.label_names[teacher_answer],
                    "teacher_score": teacher_probabilities[i, teacher_answer],
                }
            )
    frame = pd.DataFrame(rows, columns=list(DISAGREEMENT_COLUMNS)).round(4)
    frame = frame.sort_values("strength", ascending=False, kind="stable")
    return frame.groupby("variant", sort=False).head(STRONGEST).reset_index(drop=True)


def least_confident(answers: Answers, variant: str, count: int) -> pd.DataFrame:
    """Return the `count` test sentences of whose answer a variant is least sure, those first.

    The frame has the columns `score`, the probability of the answer, `answer`, `label`, `text` and
    `origin`.
    """
    probabilities = class_probabilities(np.array(answers.logits[variant][TEST]))  # (n, labels)
    names = answers.label_names
    rows = [
        {
            "score": round(float(probabilities[i].max()), 4),
            "answer": names[probabilities[i].argmax()],
            "label": names[answers.labels[TEST][i]],
            "text": answers.texts[TEST][i],
            "origin": answers.sources[TEST][i],
        }
        for i in np.argsort(probabilities.max(axis=1), kind="stable")[:count]
    ]
    return pd.DataFrame(rows, columns=["score", "answer", "label", "text", "origin"])

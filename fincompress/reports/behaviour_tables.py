"""Behaviour tables: what each variant passes of each family of behavioural tests."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from fincompress.data.behaviour import OPEN, Family
from fincompress.data.labels import SENTIMENT
from fincompress.evaluation.behaviour import family_probabilities, which_pass
from fincompress.evaluation.results import (
    ALL_FAMILIES,
    BEHAVIOUR,
    BEHAVIOUR_OPEN,
    Answers,
    FamilyResult,
    behaviour_key,
    confident_errors_key,
    handed_over_key,
)

BEHAVIOUR_PLOT = "behaviour.png"
WEAK = 0.8  # the share of a family below which a variant is said not to have the capability
SIGNIFICANT = 0.05
FAILURES_OF_A_FAMILY = 5  # listed of each variant
FAILURE_COLUMNS = (
    "variant",
    "family",
    "question",
    "text",
    "changed",
    "label",
    "answers",
    "scores",
)
BEHAVIOUR_EXPLAINED = (
    "Share of each family's cases that pass, on the held-out half; in brackets points to the "
    "teacher, where the difference is beyond noise (McNemar's p below 0.05 after Holm's correction "
    "for the number of families). `all` weighs families alike; its intervals come from resampling "
    "frames."
)


def behaviour_frame(results: Sequence[FamilyResult]) -> pd.DataFrame:
    """Return one row per family and variant: share, difference to the teacher, intervals and p."""
    rows = []
    for result in results:
        for variant, share in result.shares.items():
            low, high = result.intervals[variant]
            difference_low, difference_high = result.difference_intervals[variant]
            rows.append(
                {
                    "family": result.family,
                    "kind": result.kind,
                    "question": result.question,
                    "cases": result.cases,
                    "variant": variant,
                    "passed": share,
                    "passed_low": low,
                    "passed_high": high,
                    "over_teacher": result.differences[variant],
                    "over_teacher_low": difference_low,
                    "over_teacher_high": difference_high,
                    "p": result.p_values.get(variant),
                }
            )
    return pd.DataFrame(rows)


def behaviour_markdown(results: Sequence[FamilyResult]) -> str:
    """Return a table with a row a family and a column a variant; "" if there are no results."""
    if not results:
        return ""
    variants = list(results[0].shares)
    header = ["family", "cases", *variants]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for result in results:
        cells = [_cell(result, variant) for variant in variants]
        lines.append("| " + " | ".join([result.family, str(result.cases), *cells]) + " |")
    return "\n".join([BEHAVIOUR_EXPLAINED, "", *lines])


def behaviour_files(results: Sequence[FamilyResult], prefix: str = "") -> dict[str, str]:
    """Return the text of each file of the tables, by file name; none if there are no results."""
    if not results:
        return {}
    return {
        f"{prefix}behaviour.csv": behaviour_frame(results).to_csv(index=False),
        f"{prefix}behaviour.md": behaviour_markdown(results) + "\n",
    }


def _cell(result: FamilyResult, variant: str) -> str:
    share = f"{result.shares[variant]:.0%}"
    if result.family == ALL_FAMILIES:
        low, high = result.intervals[variant]
        return f"{share} [{100 * low:.0f}, {100 * high:.0f}]"
    if result.p_values.get(variant, 1.0) < SIGNIFICANT:
        return f"{share} ({100 * result.differences[variant]:+.0f})"
    return share


def weaknesses(metrics: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the families that a variant passes less than `WEAK` of, the weakest first."""
    start = behaviour_key("")
    others = (
        behaviour_key(ALL_FAMILIES),
        confident_errors_key(BEHAVIOUR),
        handed_over_key(BEHAVIOUR),
    )
    shares = {
        key.removeprefix(start): value
        for key, value in metrics.items()
        if key.startswith(start) and key not in others
    }
    weak = [(family, share) for family, share in shares.items() if share < WEAK]
    return sorted(weak, key=lambda pair: pair[1])


def describe_weaknesses(metrics: Mapping[str, float]) -> str:
    """Return what a variant cannot do, as one sentence; "" if it did not answer the tests."""
    if behaviour_key(ALL_FAMILIES) not in metrics:
        return ""
    weak = weaknesses(metrics)
    if not weak:
        return f"of every family of behavioural tests it passes at least {WEAK:.0%}"
    listed = ", ".join(f"{family} {share:.0%}" for family, share in weak)
    return f"families of behavioural tests of which it passes less than {WEAK:.0%}: {listed}"


def failed_cases(
    families: Sequence[Family], answers: Answers, variants: Sequence[str]
) -> pd.DataFrame:
    """Return some cases of the open half that each variant fails, with its answers.

    The frame has `FAILURE_COLUMNS`, and of each variant at most `FAILURES_OF_A_FAMILY` rows a
    family. Cases of the held-out half are not shown, so that nobody mends a model by them.
    """
    rows = []
    for variant in variants:
        logits = answers.logits[variant][BEHAVIOUR_OPEN]
        for family, probabilities in family_probabilities(families, OPEN, logits):
            failed = np.flatnonzero(~which_pass(family, probabilities))
            for i in failed[:FAILURES_OF_A_FAMILY]:
                text, *changed = family.cases[OPEN][i].texts
                given = probabilities[i]  # (texts, labels)
                rows.append(
                    {
                        "variant": variant,
                        "family": family.name,
                        "question": family.question,
                        "text": text,
                        "changed": "".join(changed),
                        "label": "" if family.label is None else SENTIMENT[family.label],
                        "answers": " / ".join(SENTIMENT[row.argmax()] for row in given),
                        "scores": " / ".join(f"{row.max():.3f}" for row in given),
                    }
                )
    return pd.DataFrame(rows, columns=FAILURE_COLUMNS)

"""Labels: the names of a study's classes, and how a file may write them."""

import re
from collections.abc import Sequence

from fincompress.config import UserError, nearest

# After `f1_`, names of other metrics, and the ends of the intervals of each.
_TAKEN = ("drop", "vs_teacher", "vs_source")
_ENDS = ("", "_low", "_high")
LONGEST_LABEL = 100  # letters: MLflow takes 250 in the name of a metric
SENTIMENT = ("negative", "neutral", "positive")  # of the shipped studies; the index is the class
FEWEST_LABELS, MOST_LABELS = 2, 20


def example_text(financial: bool) -> str:
    """Return a text to try a model on: of `financial` news, or any."""
    return "Profit rose 12 % ." if financial else "Write a text here ."


def metric_name(name: str) -> str:
    """Return a label's, a corpus's or a file's name for use in a metric's.

    MLflow takes letters and digits of any script there, and few other characters.
    """
    return re.sub(r"\W", "_", name)


def check_labels(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of a study's labels; raise `ValueError` if they cannot name metrics.

    Each names metrics that no other label names, in any case of its letters, and no other metric.
    """
    if not FEWEST_LABELS <= len(names) <= MOST_LABELS:
        raise ValueError(f"must be {FEWEST_LABELS} to {MOST_LABELS} labels")
    seen = {metric + end: f"a metric 'f1_{metric}'" for metric in _TAKEN for end in _ENDS}
    for name in names:
        if name != " ".join(name.split()) or not 0 < len(name) <= LONGEST_LABEL:
            raise ValueError(
                f"must be names of up to {LONGEST_LABEL} letters, with single spaces: {name!r}"
            )
        for metric in (metric_name(name).casefold() + end for end in _ENDS):
            if metric in seen:
                raise ValueError(
                    f"must be names of different metrics: '{name}' is too like {seen[metric]}"
                )
            seen[metric] = f"'{name}'"
    return names


def label_text(value: object) -> str:
    """Return a cell of a column of labels as text, with single spaces."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of numbers in which some are missing
    return " ".join(str(value).split())


def parse_label(value: object, names: Sequence[str], where: str) -> str:
    """Return which of `names` a cell of a file means: a name in any case, or an index.

    An index counts only where no label is a number itself. `where` begins the message of the
    `UserError` for anything else.
    """
    text = label_text(value)
    for name in names:
        if name.casefold() == text.casefold():
            return name
    by_index = not any(_is_number(name) for name in names)
    if by_index and not isinstance(value, bool) and text in map(str, range(len(names))):
        return names[int(text)]
    index = f", nor an index from 0 to {len(names) - 1}" if by_index else ""
    raise UserError(f"{where}: {value!r} is no label{index}; {nearest(text, names)}")


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True

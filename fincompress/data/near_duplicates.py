"""Texts beside other texts become how alike they are, and how many are near duplicates."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer

NEAR = 0.6  # share of their words that two texts have in common when they count as one
WORD = r"(?u)\b\w+\b"
BLOCK = 500  # texts at once, since each is compared with all others


def resemblance(texts: Sequence[str], others: Sequence[str]) -> NDArray[np.float64]:
    """Return, for each of `texts`, its resemblance to the most alike of `others`, (texts,).

    The words that two texts share over all that either has, case apart. Broder (1997), "On the
    Resemblance and Containment of Documents".
    """
    if not texts or not others:
        return np.zeros(len(texts))
    words = CountVectorizer(binary=True, token_pattern=WORD, dtype=np.float64)
    both = words.fit_transform([*texts, *others])
    ours, theirs = both[: len(texts)], both[len(texts) :]
    sizes = np.asarray(both.sum(axis=1)).ravel()
    found = np.zeros(len(texts))
    for start in range(0, len(texts), BLOCK):
        block = slice(start, min(start + BLOCK, len(texts)))
        shared = (ours[block] @ theirs.T).toarray()  # (block, others)
        either = sizes[block, None] + sizes[None, len(texts) :] - shared
        found[block] = (shared / np.maximum(either, 1)).max(axis=1)
    return found


def near_duplicates(texts: Sequence[str], others: Sequence[str]) -> int:
    """Return how many of `texts` are near duplicates of any of `others`."""
    return int((resemblance(texts, others) >= NEAR).sum())

"""Near duplicates: how much two sets of texts resemble each other, by the words they share."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer

NEAR = 0.6  # the least resemblance of two texts that count as near duplicates
WORD = r"(?u)\b\w+\b"
BLOCK = 500  # texts that are compared with all others at once, which bounds the memory


def resemblance(texts: Sequence[str], others: Sequence[str]) -> NDArray[np.float64]:
    """Return how much each of `texts` resembles the most similar of `others`, 0 to 1, (texts,).

    The resemblance of two texts is the number of words that both have, over the number of words
    that either has; case does not count. Broder (1997), "On the Resemblance and Containment of
    Documents".
    """
    if not texts or not others:
        return np.zeros(len(texts))
    words = CountVectorizer(binary=True, token_pattern=WORD, dtype=np.float64)
    both = words.fit_transform([*texts, *others])
    text_rows, other_rows = both[: len(texts)], both[len(texts) :]
    sizes = np.asarray(both.sum(axis=1)).ravel()
    highest = np.zeros(len(texts))
    for start in range(0, len(texts), BLOCK):
        block = slice(start, min(start + BLOCK, len(texts)))
        shared = (text_rows[block] @ other_rows.T).toarray()  # (block, others)
        either = sizes[block, None] + sizes[None, len(texts) :] - shared
        highest[block] = (shared / np.maximum(either, 1)).max(axis=1)
    return highest


def near_duplicates(texts: Sequence[str], others: Sequence[str]) -> int:
    """Return how many of `texts` resemble any of `others` by `NEAR` or more."""
    return int((resemblance(texts, others) >= NEAR).sum())

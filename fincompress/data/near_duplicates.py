"""Near duplicates: how much texts resemble one another, by the words that they share.

The resemblance of two texts is the number of words that both have, over the number of words that
either has; case does not count. Broder (1997), "On the Resemblance and Containment of Documents".
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array  # type: ignore[import-untyped]

NEAR = 0.6  # the least resemblance of two texts that count as near duplicates
WORD = re.compile(r"\b\w+\b")
BLOCK = 500  # texts that are compared with all others at once, which bounds the memory
PAIRS_AT_ONCE = 200_000  # of texts, likewise

_Sets = Any  # a sparse matrix of ones, (texts, words); scipy has no types


def resemblance(texts: Sequence[str], others: Sequence[str]) -> NDArray[np.float64]:
    """Return how much each of `texts` resembles the most similar of `others`, 0 to 1, (texts,)."""
    highest = np.zeros(len(texts))
    if not others:
        return highest
    both = _word_sets([*texts, *others])
    sets, other_sets = both[: len(texts)], both[len(texts) :]
    sizes, other_sizes = _sizes(sets), _sizes(other_sets)
    for start in range(0, len(texts), BLOCK):
        block = slice(start, min(start + BLOCK, len(texts)))
        shared = (sets[block] @ other_sets.T).toarray()  # (block, others)
        highest[block] = _share(shared, sizes[block, None], other_sizes).max(axis=1)
    return highest


def near_duplicates(texts: Sequence[str], others: Sequence[str]) -> int:
    """Return how many of `texts` resemble any of `others` by `NEAR` or more."""
    return int((resemblance(texts, others) >= NEAR).sum())


def repeats(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Return which of `texts` repeat an earlier one, true or false, (texts,).

    They resemble it by `NEAR` or more, and it repeats none itself: of texts that all resemble one
    another, the first is no repeat.

    Only pairs that share one of their rarest words are compared, since the other words alone cannot
    make them so similar. Bayardo, Ma and Srikant (2007), "Scaling Up All Pairs Similarity Search".
    """
    repeated = np.zeros(len(texts), dtype=np.bool_)
    sets = _word_sets(texts)
    rarest = _rarest_words(sets)
    for start in range(0, len(texts), BLOCK):
        stop = min(start + BLOCK, len(texts))
        kept = np.flatnonzero(~repeated[:stop])  # of this block, all, which is not decided yet
        pairs = (rarest[start:stop] @ rarest[kept].T).tocoo()
        later, earlier = pairs.row + start, kept[pairs.col]
        ordered = earlier < later
        near = _near_pairs(sets, later[ordered], earlier[ordered])
        for later_one, earlier_one in sorted(near):  # so the earlier of each pair is decided
            repeated[later_one] |= not repeated[earlier_one]
    return repeated


def _word_sets(texts: Sequence[str]) -> _Sets:
    """The words of each text, (texts, words), from the rarest word to the most common one."""
    sets = [set(WORD.findall(text.lower())) for text in texts]
    counts = Counter(word for words in sets for word in words)
    rarest_first = sorted(counts, key=lambda word: (counts[word], word))
    number = {word: place for place, word in enumerate(rarest_first)}
    columns = np.array([number[word] for words in sets for word in words], dtype=np.int64)
    ends = np.cumsum([0, *map(len, sets)])
    matrix = csr_array((np.ones(len(columns)), columns, ends), shape=(len(texts), len(number)))
    matrix.sort_indices()
    return matrix


def _rarest_words(sets: _Sets) -> _Sets:
    """Of each of `sets`, so many of the rarest words that two near duplicates have one in common.

    Near duplicates share at least s of the n words of each, s being `NEAR` n rounded up. In the
    order of rarity, s - 1 shared words follow the first one, which therefore is among the first
    n - s + 1 words of both.
    """
    sizes = _sizes(sets)
    shared = np.ceil(NEAR * sizes - 1e-9).astype(int)  # 0.6 * 15 may be above 9, in floating point
    taken = np.minimum(sizes - shared + 1, sizes)
    places = np.arange(sets.nnz) - np.repeat(sets.indptr[:-1], sizes)  # of a word in its own set
    rarest = places < np.repeat(taken, sizes)
    ends = np.cumsum([0, *taken])
    return csr_array((sets.data[rarest], sets.indices[rarest], ends), shape=sets.shape)


def _near_pairs(
    sets: _Sets, later: NDArray[np.intp], earlier: NDArray[np.intp]
) -> list[tuple[int, int]]:
    """The pairs, rows `later` and `earlier` of `sets`, that resemble each other by `NEAR`."""
    sizes, found = _sizes(sets), list[tuple[int, int]]()
    for start in range(0, len(later), PAIRS_AT_ONCE):
        ones, others = later[start : start + PAIRS_AT_ONCE], earlier[start : start + PAIRS_AT_ONCE]
        shared = sets[ones].multiply(sets[others]).sum(axis=1)  # (pairs,)
        near = _share(shared, sizes[ones], sizes[others]) >= NEAR
        found += zip(ones[near].tolist(), others[near].tolist(), strict=True)
    return found


def _sizes(sets: _Sets) -> NDArray[np.int64]:
    sizes: NDArray[np.int64] = np.diff(sets.indptr).astype(np.int64)
    return sizes


def _share(
    shared: NDArray[np.float64], sizes: NDArray[np.int64], other_sizes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Resemblance: the words that two texts share over those that either has; 0 without words."""
    share: NDArray[np.float64] = shared / np.maximum(sizes + other_sizes - shared, 1)
    return share

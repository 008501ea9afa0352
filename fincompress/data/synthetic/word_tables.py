"""Word tables of the synthetic corpus, in tiers: for all parts, for val alone, for test alone."""

import re

SPLITS = ("train", "val", "test")
Tiers = dict[str, list[str]]


def tiers(text: str) -> Tiers:
    """Return the entries of a table by part.

    Entries are separated by ";" or the end of a line, the tiers of train, val and test by "/". A
    table without "/" is the same for all three.
    """
    parts = [[w.strip() for w in re.split("[;\n]", p) if w.strip()] for p in text.split("/")]
    return dict(zip(SPLITS, parts if len(parts) == 3 else parts * 3, strict=True))

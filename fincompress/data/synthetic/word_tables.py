"""Tiers of a word table: what all splits of the synthetic corpus share, and what each has alone."""

import re

SPLITS = ("train", "val", "test")
Tiers = dict[str, list[str]]


def tiers(text: str) -> Tiers:
    """Read a table: entries end at ";" or the line, and "/" begins the next split's own tier.

    A table without "/" is one for all splits.
    """
    parts = [[w.strip() for w in re.split("[;\n]", p) if w.strip()] for p in text.split("/")]
    return dict(zip(SPLITS, parts if len(parts) == 3 else parts * 3, strict=True))

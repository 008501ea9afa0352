"""What every source yields: cleaned rows of (text, label name, source name)."""

import re

LABELS = ("negative", "neutral", "positive")  # the index is the class

Row = tuple[str, str, str]


def clean(text: str) -> str:
    """Collapse white space; nothing else, since case and punctuation carry meaning."""
    return re.sub(r"\s+", " ", text).strip()

"""Sources of labelled sentences become cleaned, deduplicated, stratified splits."""

from fincompress.data.rows import LABELS
from fincompress.data.splits import (
    SAMPLE,
    DataConfig,
    Sentences,
    Splits,
    Transfer,
    load_splits,
)

__all__ = ["LABELS", "SAMPLE", "DataConfig", "Sentences", "Splits", "Transfer", "load_splits"]

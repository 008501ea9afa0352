"""Data: labelled sentences, read from corpora and split into training, validation and test."""

from fincompress.data.sentences import LABELS, Sentences, Splits, Transfer
from fincompress.data.splits import SAMPLE, DataConfig, load_splits

__all__ = ["LABELS", "SAMPLE", "DataConfig", "Sentences", "Splits", "Transfer", "load_splits"]

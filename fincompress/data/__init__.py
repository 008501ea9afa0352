"""Data: labelled sentences, read from corpora and split into training, validation and test."""

from fincompress.data.labels import SENTIMENT
from fincompress.data.sentences import Sentences, Splits, Transfer
from fincompress.data.splits import SAMPLE, DataConfig, load_splits

__all__ = ["SAMPLE", "SENTIMENT", "DataConfig", "Sentences", "Splits", "Transfer", "load_splits"]

"""The synthetic corpus: sentences of financial news from templates and word tables."""

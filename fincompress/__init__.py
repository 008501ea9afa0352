"""FinCompress: compress a financial-sentiment classifier for CPU inference, tracked in MLflow."""

__version__ = "0.1.0"

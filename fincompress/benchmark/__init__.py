"""Benchmark: models and their peers are timed in processes of their own, in interleaved rounds."""

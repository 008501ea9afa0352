"""Evaluation: what predictions, logits and timings say about a model.

Everything in this folder is pure: functions of arrays and records that return arrays and records.
Nothing here reads or writes a file, asks for the time, or knows MLflow; random resampling takes a
seed. The callers measure, and log what is returned.

* `metrics`: F1, accuracy, bootstrap intervals, McNemar's test, ratios of paired timings
* `calibration`: expected calibration error and temperature scaling
* `results`: the records of one benchmark, and the metric keys under which they are logged
* `quality`: all quality metrics of a variant, derived from its logits
* `speedups`: ratios of latency and throughput between the variants of one benchmark
* `error_analysis`: confusion matrices, reliability, and disagreements with the teacher
* `seed_results`: the records of a table over several seeds
"""

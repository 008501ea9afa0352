"""Compression methods that several techniques share.

A module here knows models, data and training, but neither studies nor MLflow:

* `student`: the shape of a student encoder and its first weights
* `distillation`: the objective of knowledge distillation
* `importance`, `pruning`: scores for heads and FFN neurons, and cutting those that score least
* `quantization`, `sensitivity`: INT8 that can be trained, and which layers it hurts
* `vocabulary`: tokenizers and embedding tables with fewer word pieces
"""

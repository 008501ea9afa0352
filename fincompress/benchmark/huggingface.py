"""A torch artifact becomes a classifier that runs it in Hugging Face's BERT."""

import torch

from fincompress.artifact import Artifact
from fincompress.models.huggingface import HuggingFace
from fincompress.runtimes import Classifier, classifier
from fincompress.runtimes.torch_eager import eager


def load(artifact: Artifact, threads: int) -> Classifier:
    """The torch artifact in Hugging Face's BERT, in PyTorch."""
    torch.set_num_threads(threads)
    model = HuggingFace(artifact)
    return classifier(artifact, eager(model), torch.get_num_threads(), engine="huggingface")

"""Hugging Face's BERT in PyTorch: loads a torch artifact into it, for the peers of a benchmark."""

import torch

from fincompress.artifact import Artifact
from fincompress.models.huggingface import HuggingFace
from fincompress.runtimes import Classifier, build_classifier
from fincompress.runtimes.torch_eager import torch_infer


def load_huggingface(artifact: Artifact, threads: int) -> Classifier:
    """Load a torch artifact for `threads` CPU threads, a setting of the whole process.

    Raises `UserError` for a model whose layers differ, which Hugging Face's BERT cannot hold.
    """
    torch.set_num_threads(threads)
    model = HuggingFace(artifact)
    return build_classifier(
        artifact, torch_infer(model), torch.get_num_threads(), engine="huggingface"
    )

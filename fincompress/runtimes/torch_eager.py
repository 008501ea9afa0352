"""Plain PyTorch, FP32: runs torch artifacts."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fincompress.artifact import Artifact, Products
from fincompress.models.encoder import Encoder
from fincompress.models.storage import FORMAT as FORMAT
from fincompress.models.storage import load_encoder
from fincompress.runtimes import Classifier, Infer, classifier

REQUIREMENTS = ("torch", "safetensors")


def load(artifact: Artifact, threads: int) -> Classifier:
    torch.set_num_threads(threads)  # PyTorch has one setting for the process
    model = load_encoder(artifact)
    return classifier(artifact, eager(model), torch.get_num_threads(), engine="torch_eager")


def eager(model: nn.Module) -> Infer:
    """What asks `model`, which takes ids and mask, as it is."""

    def infer(ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        with torch.inference_mode():
            answer: NDArray[np.float32] = model(
                torch.from_numpy(ids), torch.from_numpy(mask)
            ).numpy()
        return answer

    return infer


def count_products(artifact: Artifact) -> Products:
    with torch.device("meta"):
        modules = Encoder(artifact.manifest.layout).modules()
    return Products(int8=0, total=sum(isinstance(module, nn.Linear) for module in modules))

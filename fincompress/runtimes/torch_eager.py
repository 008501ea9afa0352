"""PyTorch: runs torch artifacts eagerly, FP32."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fincompress.artifact import Artifact, Products
from fincompress.models.encoder import Encoder
from fincompress.models.storage import TORCH_FORMAT, load_encoder
from fincompress.runtimes import FP32, Classifier, Infer, build_classifier

FORMAT = TORCH_FORMAT
REQUIREMENTS = ("torch", "safetensors")


def load(artifact: Artifact, threads: int) -> Classifier:
    """Load for `threads` CPU threads, which is a setting of the whole process.

    Raises `UserError` for another format than PyTorch's.
    """
    torch.set_num_threads(threads)
    infer = torch_infer(load_encoder(artifact))
    return build_classifier(artifact, infer, torch.get_num_threads(), engine="torch_eager")


def precisions() -> tuple[str, ...]:
    """Return FP32, the only one."""
    return (FP32,)


def count_products(artifact: Artifact) -> Products:
    """Count the linear layers of the artifact's layout; none is INT8."""
    with torch.device("meta"):
        modules = Encoder(artifact.manifest.layout).modules()
    return Products(int8=0, total=sum(isinstance(module, nn.Linear) for module in modules))


def torch_infer(model: nn.Module) -> Infer:
    """Return a function that computes in `model`, which takes ids and mask, without gradients."""

    def infer(ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits: NDArray[np.float32] = model(
                torch.from_numpy(ids), torch.from_numpy(mask)
            ).numpy()
        return logits  # (n, labels)

    return infer

"""Hugging Face's BERT in PyTorch: loads a torch artifact into it, for the peers of a benchmark."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fincompress.artifact import Artifact
from fincompress.benchmark.process import HUGGING_FACE, TORCH_COMPILE
from fincompress.config import UserError
from fincompress.models.huggingface import HuggingFace
from fincompress.runtimes import FP32, Classifier, Infer, build_classifier

DTYPES = {FP32: torch.float32, "bf16": torch.bfloat16}  # of the weights, by precision
# Sentences and tokens. Of a batch of one, and of larger ones, each number of sentences and tokens
# runs the same code.
COMPILED_BATCHES = ((1, 8), (2, 8))


def load_huggingface(artifact: Artifact, threads: int, precision: str = FP32) -> Classifier:
    """Load a torch artifact for `threads` CPU threads, a setting of the whole process.

    The weights are converted to `precision`, "f32" or "bf16", as `from_pretrained` does with its
    `dtype`. Logits are float32 in both. Raises `UserError` for a model whose layers differ, which
    Hugging Face's BERT cannot hold.
    """
    torch.set_num_threads(threads)
    infer = _infer(HuggingFace(artifact).to(DTYPES[precision]))
    return build_classifier(
        artifact, infer, torch.get_num_threads(), engine=HUGGING_FACE, precision=precision
    )


def load_compiled(artifact: Artifact, threads: int) -> Classifier:
    """Load a torch artifact as `load_huggingface` does, in FP32, and compile it by `torch.compile`.

    It is compiled here, for batches of any size: no later call compiles. That takes half a minute
    or more, and a few seconds where PyTorch's cache has the code. Raises `UserError` for a model
    whose layers differ, and where the code cannot be compiled, as without a C++ compiler.
    """
    torch.set_num_threads(threads)
    infer = _infer(torch.compile(HuggingFace(artifact), dynamic=True))
    try:
        for shape in COMPILED_BATCHES:
            infer(np.ones(shape, dtype=np.int64), np.ones(shape, dtype=np.bool_))
    except RuntimeError as error:
        cause = str(error).partition("\n")[0]
        raise UserError(
            f"torch.compile: the code that it writes must build here, not fail with '{cause}'; "
            "install a C++ compiler (g++, or the one that CXX names) and the headers of Python"
        ) from error
    return build_classifier(artifact, infer, torch.get_num_threads(), engine=TORCH_COMPILE)


def _infer(model: Callable[[Tensor, Tensor], Tensor]) -> Infer:
    def infer(ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits = model(torch.from_numpy(ids), torch.from_numpy(mask)).float()
        answers: NDArray[np.float32] = logits.numpy()
        return answers  # (n, labels)

    return infer

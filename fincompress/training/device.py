"""Training device: where models are trained, and in which precision.

Inference does not depend on this module: variants are made for CPUs, and measured there.
"""

from contextlib import AbstractContextManager, nullcontext

import torch


def training_device() -> torch.device:
    """Return the GPU if PyTorch has one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def training_precision() -> str:
    """Return the precision of training steps: "bf16" if the device computes in it, else "fp32"."""
    # A device without such instructions emulates bf16, and is slower than in fp32.
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        cpu = torch.cpu.get_capabilities()
        fast = cpu.get("avx512_bf16") or cpu.get("amx_bf16")
    return "bf16" if fast else "fp32"


def training_autocast() -> AbstractContextManager[object]:
    """Return a context in which forward passes compute in `training_precision()`."""
    if training_precision() == "bf16":
        return torch.autocast(training_device().type, dtype=torch.bfloat16)
    return nullcontext()

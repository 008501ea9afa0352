"""training.device: TODO"""

from contextlib import AbstractContextManager, nullcontext

import torch


def training_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def training_precision() -> str:
    """What steps of training compute in: `bf16` where the device has instructions for it, else
    `fp32`."""
    # Without such instructions bf16 is emulated and slower than fp32.
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        cpu = torch.cpu.get_capabilities()
        fast = cpu.get("avx512_bf16") or cpu.get("amx_bf16")
    return "bf16" if fast else "fp32"


def training_autocast() -> AbstractContextManager[object]:
    if training_precision() == "bf16":
        return torch.autocast(training_device().type, dtype=torch.bfloat16)
    return nullcontext()

"""training.device: TODO"""

from contextlib import AbstractContextManager, nullcontext

import torch


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision() -> str:
    """What steps of training compute in: `bf16` where the device has instructions for it, else
    `fp32`."""
    # Without such instructions bf16 is emulated and slower than fp32.
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        cpu = torch.cpu.get_capabilities()
        fast = cpu.get("avx512_bf16") or cpu.get("amx_bf16")
    return "bf16" if fast else "fp32"


def autocast() -> AbstractContextManager[object]:
    if precision() == "bf16":
        return torch.autocast(device().type, dtype=torch.bfloat16)
    return nullcontext()

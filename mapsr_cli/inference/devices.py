"""Where to compute, and in what."""

import os
from collections.abc import Container
from pathlib import Path

import torch

from mapsr_cli.errors import UsageError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str) -> str:
    """`auto` takes CUDA, then MPS, then the CPU. Raises UsageError for a device that is not there.

    Of several CUDA devices, `auto` takes the one that LOCAL_RANK gives this process (`accelerate launch`, `torchrun`).
    """
    if name == "auto":
        if torch.cuda.is_available():
            rank = os.environ.get("LOCAL_RANK", "0")
            return f"cuda:{int(rank) % torch.cuda.device_count()}" if rank.isdecimal() else "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"unknown device '{name}'", "auto, cpu, cuda, cuda:N or mps") from error
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    known = present.get(device.type)
    if known is None:
        raise UsageError(f"unknown device '{name}'", "auto, cpu, cuda, cuda:N or mps")
    if not known or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        raise UsageError(f"device '{name}' is not there", "--device auto takes what is")
    return str(device)


def choose_dtype(precision: str, device: str) -> torch.dtype:
    """`auto`: bf16 where it is fast (CUDA from Ampere on, some CPUs), float16 on older CUDA, float32 elsewhere."""
    if precision != "auto":
        return DTYPES[precision]
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16
    return torch.bfloat16 if device == "cpu" and multiplies_bf16(_cpu_features()) else torch.float32


def multiplies_bf16(features: Container[str]) -> bool:
    """Whether a processor with these features has instructions for bf16; without, it is slower than float32."""
    return "avx512_bf16" in features or "amx_bf16" in features


def _cpu_features() -> set[str]:
    """What the processor can do, by the names that Linux and torch give it; empty where neither says."""
    if hasattr(torch.cpu, "get_capabilities"):  # not in older versions
        return {name for name, there in torch.cpu.get_capabilities().items() if there is True}
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())

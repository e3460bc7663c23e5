"""Where to compute, and in what."""

import os
import platform
import re
import sys
from collections.abc import Container
from pathlib import Path

import torch

from mapsr_cli.errors import MapsrError, UsageError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
CPUINFO = "/proc/cpuinfo"
_PROCESSOR = ("model name", "cpu family", "model", "stepping")
_DEVICES = "known: auto, cpu, cuda, cuda:N, mps"


def choose_device(name: str) -> str:
    """Return the device that a command's `--device` names; `auto` takes CUDA, then MPS, then the CPU.

    Of several CUDA devices, `auto` takes the one that LOCAL_RANK gives this process (`accelerate launch`, `torchrun`).
    Raises UsageError for a device that is not there, MapsrError where torch cannot compute at all.
    """
    if sys.platform == "linux" and not os.path.exists(CPUINFO):  # noqa: PTH110 (False, not an error, if unreadable)
        raise MapsrError(f"there is no {CPUINFO}, which torch needs", "mount -t proc proc /proc")
    if name == "auto":
        if torch.cuda.is_available():
            rank = os.environ.get("LOCAL_RANK", "0")
            return f"cuda:{int(rank) % torch.cuda.device_count()}" if rank.isdecimal() else "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"unknown device '{name}'", _DEVICES) from error
    counts = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if device.type not in counts:
        raise UsageError(f"unknown device '{name}'", _DEVICES)
    if (device.index or 0) >= counts[device.type]:
        raise UsageError(f"this machine has no device '{name}'", "auto takes what is there")
    return str(device)


def choose_dtype(precision: str, device: str) -> torch.dtype:
    """Return the type that a command's `--precision` names, for networks that run on `device`.

    `auto` has one meaning for every command: half precision where the device multiplies it faster (bf16 on CUDA from
    Ampere on and on some CPUs, float16 on older CUDA), float32 elsewhere. Raises UsageError for an unknown name.
    """
    if precision == "auto":
        if device.startswith("cuda"):
            return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16
        return torch.bfloat16 if device == "cpu" and multiplies_bf16(cpu_features()) else torch.float32
    if precision not in DTYPES:
        raise UsageError(f"unknown precision '{precision}'", f"known: auto, {', '.join(DTYPES)}")
    return DTYPES[precision]


def multiplies_bf16(features: Container[str]) -> bool:
    """Tell whether a processor with these features has instructions for bf16; without, it is slower than float32."""
    return "avx512_bf16" in features or "amx_bf16" in features


def cpu_features() -> set[str]:
    """List what the processor can do, by the names that Linux and torch give it; empty where neither says."""
    if hasattr(torch.cpu, "get_capabilities"):  # not in older versions
        return {name for name, there in torch.cpu.get_capabilities().items() if there is True}
    try:
        lines = Path(CPUINFO).read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def processor_name() -> str:
    """Name the processor, with the numbers that tell its kind from others of one name, where the system says them."""
    try:
        text = Path(CPUINFO).read_text()
    except OSError:
        text = ""
    said = {name: (re.search(rf"^{name}\s*: (.+)$", text, re.MULTILINE) or [""] * 2)[1] for name in _PROCESSOR}
    numbers = [f"{name.removeprefix('cpu ')} {value}" for name, value in said.items() if value and name != "model name"]
    return ", ".join([said["model name"] or platform.processor() or platform.machine(), *numbers])

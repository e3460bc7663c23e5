"""A fitted A⁺ as a checkpoint: its kernels, and the A that they invert."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mapsr_cli import __version__
from mapsr_cli.errors import CheckpointError, KernelError, UsageError
from mapsr_cli.operators import ConvPinv, Kernel
from mapsr_cli.zoo.checkpoint import check_tensors, describe_kernel, read_checkpoint, restore_kernel, write_checkpoint


@dataclass(frozen=True)
class PinvCard:
    """What a fitted A⁺ says about itself."""

    kernel: dict[str, Any]
    """A, as `describe_kernel` gives it."""
    scale: int
    """HR pixels per LR pixel."""
    taps: int
    """Side of its kernels, in LR pixels."""
    phase: float | tuple[float, float]
    """HR position of LR pixel 0's centre."""
    version: str
    """mapsr's version that wrote it."""


class _Kernels(nn.Module):
    """The checkpoint's one tensor, float64: ℓ1 + ℓ2 of 1e-20 does not survive less."""

    def __init__(self, kernels: Tensor) -> None:
        super().__init__()
        self.register_buffer("kernels", kernels.double())


def save_pinv(path: Path, pinv: ConvPinv, kernel: Kernel) -> None:
    """Write the kernels in float64 and what they invert; to a temporary file first.

    Raises CheckpointError where nothing can be written.
    """
    card = PinvCard(describe_kernel(kernel), kernel.scale, pinv.taps, kernel.phase, __version__)
    try:
        write_checkpoint(path, _Kernels(pinv.kernels), asdict(card), torch.float64)
    except OSError as error:
        raise CheckpointError(f"cannot write {path}: {error.strerror or error}") from error


def load_pinv(path: Path) -> tuple[ConvPinv, Kernel]:
    """Read a fitted A⁺ (float64) and its A.

    Raises CheckpointError, in one line, for a file that is damaged, of an unknown format, or holds anything but the
    finite kernels that its header describes.
    """
    header, tensors = read_checkpoint(path)
    try:
        card = PinvCard(**header)
        kernel = restore_kernel(card.kernel)
        if card.scale != kernel.scale or tuple(_pair(card.phase)) != tuple(_pair(kernel.phase)):
            raise UsageError(f"scale and phase are not those of {kernel.describe()}")
        wanted = torch.empty(kernel.scale**2, card.taps, card.taps)
    except (TypeError, ValueError, KeyError, RuntimeError, AttributeError, KernelError, UsageError) as error:
        raise CheckpointError(
            f"{path}: the header describes no A⁺ ({error})", "`mapsr fit-pinv -o` writes one"
        ) from error
    check_tensors({"kernels": wanted}, tensors, path)
    return ConvPinv(tensors["kernels"].double()), kernel


def _pair(phase: Any) -> Any:
    return phase if isinstance(phase, list | tuple) else (phase,)

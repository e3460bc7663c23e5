"""A fitted A⁺ as a checkpoint: its kernels, and the A that they invert."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mapsr_cli.errors import CheckpointError
from mapsr_cli.operators import ConvPinv, Kernel
from mapsr_cli.operators.fit_pinv import MOST_TAPS
from mapsr_cli.zoo.card import describe_kernel
from mapsr_cli.zoo.checkpoint import read_kernel
from mapsr_cli.zoo.sealed import restore, write_checkpoint


@dataclass(frozen=True)
class PinvCard:
    """What a fitted A⁺ says about itself."""

    kernel: dict[str, Any]
    """A, as `describe_kernel` gives it: scale and phase are there."""
    taps: int
    """Side of A⁺'s kernels, in LR pixels."""
    version: str
    """mapsr's version that wrote it."""


class _Kernels(nn.Module):
    """The file's one tensor, float64: ℓ1 + ℓ2 of 1e-20 does not survive less."""

    kernels: Tensor

    def __init__(self, kernels: Tensor) -> None:
        super().__init__()
        self.register_buffer("kernels", kernels.double())


def save_pinv(path: Path, pinv: ConvPinv, kernel: Kernel, version: str = "") -> None:
    """Write the kernels in float64, what they invert and mapsr's version. Raises FileError if that fails."""
    card = PinvCard(describe_kernel(kernel), pinv.taps, version)
    write_checkpoint(path, _Kernels(pinv.kernels), asdict(card), torch.float64)


def load_pinv(path: Path) -> tuple[ConvPinv, Kernel]:
    """Read a fitted A⁺ (float64) and its A.

    Raises CheckpointError, in one line, for a file that is damaged, of an unknown format, or holds anything but the
    finite kernels that its header describes.
    """

    def understand(header: dict[str, Any]) -> tuple[Kernel, int]:
        if header.keys() != PinvCard.__dataclass_fields__.keys() or not isinstance(header["kernel"], dict):
            raise CheckpointError(f"{path}: a checkpoint, but not of a fitted A⁺", "`mapsr fit-pinv -o` writes one")
        if type(header["taps"]) is not int or not 1 <= header["taps"] <= MOST_TAPS:
            raise CheckpointError(f"{path}: the header describes no A⁺ (taps are not 1 to {MOST_TAPS})")
        return read_kernel(header["kernel"], path), header["taps"]

    def build(description: tuple[Kernel, int]) -> _Kernels:
        kernel, taps = description
        return _Kernels(torch.zeros(kernel.scale**2, taps, taps))

    (kernel, _), module = restore(path, understand, build)
    assert isinstance(module, _Kernels)
    return ConvPinv(module.kernels), kernel

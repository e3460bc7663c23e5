"""Does an upscaled file, downscaled by A, give its original?"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.imaging import find_kernel, read_picture, read_provenance, write_picture
from mapsr_cli.operators import Consistency, Kernel, consistency, downsampling, to_levels
from mapsr_cli.operators.axis import lr_length
from mapsr_cli.zoo import find_model, load_model

FALLBACK_KERNEL, FALLBACK_SCALE = "bicubic", 4


@dataclass(frozen=True, eq=False)
class Verification:
    """What came of it."""

    consistency: Consistency
    difference: Tensor
    """[C, h, w] A(HR) rounded, less LR, in levels."""
    notes: tuple[str, ...]
    """Remarks worth a line."""


def which_kernel(
    hr: Path,
    model: str | None,
    kernel: str | None,
    sigma: float | None,
    scale: int | None,
    note: Callable[[str], None],
) -> Kernel:
    """A as the call names it; else as the model has it; else as the HR file's own metadata says; else bicubic ×4."""
    if model is not None:
        if kernel is not None or sigma is not None or scale is not None:
            raise UsageError("--model brings its own kernel", "give either --model, or --kernel, --sigma and --scale")
        return load_model(find_model(model)).kernel
    stored = read_provenance(hr)
    if kernel is None and sigma is None and stored is not None and scale in (None, stored.scale):
        return stored.make_kernel()
    if kernel is None and stored is None:
        note(f"{hr} does not say how it was made: taking {FALLBACK_KERNEL} ×{scale or FALLBACK_SCALE}")
    return find_kernel(kernel or FALLBACK_KERNEL, FALLBACK_SCALE if scale is None else scale, sigma)


def verify_files(lr_path: Path, hr_path: Path, kernel: Kernel) -> Verification:
    """Compare A(HR), rounded, with LR. Raises ImageError where the sizes or channels do not fit together."""
    lr, hr = read_picture(lr_path), read_picture(hr_path)
    lr_size, hr_size = tuple(lr.levels.shape[-2:]), tuple(hr.levels.shape[-2:])
    wanted = tuple(lr_length(n, kernel.scale) for n in hr_size)
    if wanted != lr_size:
        raise ImageError(
            f"{hr_path} is {hr_size[1]}×{hr_size[0]}: downscaled ×{kernel.scale} it is {wanted[1]}×{wanted[0]}, "
            f"but {lr_path} is {lr_size[1]}×{lr_size[0]}",
            "is this the right pair, and the right --scale?",
        )
    if lr.levels.shape[0] != hr.levels.shape[0] or lr.peak != hr.peak:
        raise ImageError(f"{lr_path} and {hr_path} differ in channels or depth: one is grey and the other is not")
    op = downsampling(kernel, (hr_size[0], hr_size[1]), torch.float64)
    x, y = lr.levels.double(), hr.levels.double()
    stored = read_provenance(hr_path)
    notes: tuple[str, ...] = ()
    if stored is not None and stored.input_sha256 != lr.sha256:
        notes = (f"{lr_path} is not the very file that {hr_path} was made from (another SHA-256)",)
    return Verification(consistency(y, x, op, lr.peak), to_levels(op.down(y), lr.peak) - x, notes)


def difference_picture(checked: Verification, path: Path) -> None:
    """Draw where it does not hold: black where A(HR) is LR, brighter the more levels it is off (white from 8 on)."""
    levels = checked.difference.abs().amax(0, keepdim=True)
    write_picture(path, torch.where(levels > 0, 95 + 20 * levels, levels).clamp(max=255))

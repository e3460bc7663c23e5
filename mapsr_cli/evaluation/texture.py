"""How much texture a picture has, and how much of it repeats with the period of the pixel shuffle."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.evaluation.metrics import luma

CELL, CELLS = 4, 4
"""HR pixels a side of a cell, and cells a side of a block."""
MIDDLE = 128
"""HR pixels a side of the part that `grid` looks at."""
FLAT_BLOCK = 32
"""HR pixels a side of the blocks that `lattice` looks at."""
FLAT = 4 / 255
"""Standard deviation of luma below which a block is flat."""
BLUR = 2.0
"""σ in HR pixels of the blur that `lattice` takes away."""


def gradient_energy(y: Tensor) -> float:
    """Compute the mean squared forward difference, vertical plus horizontal: [..., H, W] → ≥ 0."""
    down, across = y.diff(dim=-2), y.diff(dim=-1)
    return (down.double().square().mean() + across.double().square().mean()).item()


def relative_energy(y: Tensor, truth: Tensor) -> float | None:
    """Compute the gradient energy of y over that of the truth, [C, H, W]: 1 is as sharp; None for a flat truth."""
    energy = gradient_energy(truth)
    return gradient_energy(y) / energy if energy > 0 else None


def grid(y: Tensor) -> float | None:
    """Compute the share of the Laplacian's energy that all sixteen 4×4 cells of a 16×16 block have in common.

    Of luma, in the middle 128×128 of [3, H, W] (or as many whole blocks as there are): 1/16 for texture that is
    independent from cell to cell, 1 for a pattern of period 4. None where not one block fits, or all is flat.
    """
    block, laplacian = CELL * CELLS, _laplacian(y)
    height, width = (min(n, MIDDLE) // block * block for n in laplacian.shape)
    top, left = ((n - m) // 2 for n, m in zip(laplacian.shape, (height, width), strict=True))
    middle = laplacian[top : top + height, left : left + width]
    cells = middle.reshape(height // block, CELLS, CELL, width // block, CELLS, CELL)
    energy = cells.square().sum().item()
    common = cells.mean((1, 4)).square().sum().item() * CELLS**2
    return common / energy if energy > 1e-12 else None


def phases(y: Tensor) -> float | None:
    """Compute the standard deviation of the logarithms of the Laplacian's energies at the sixteen phases of 4×4 cells.

    Of luma of [3, H, W]: near 0 for photographs and for any texture whose detail lies anywhere, large where detail
    keeps to some of the pixels that a network makes of an LR pixel, be they bright or dark. None for an image that is
    smaller than a cell, or flat at a phase.
    """
    laplacian = _laplacian(y)
    height, width = (n // CELL for n in laplacian.shape)
    cells = laplacian[: height * CELL, : width * CELL].reshape(height, CELL, width, CELL)
    energies = cells.square().sum((0, 2))
    return energies.log().std(correction=0).item() if energies.min() > 1e-12 else None


def lattice(y: Tensor) -> float | None:
    """Compute the standard deviation, in levels, of the means of the sixteen phases of a 4×4 cell in flat blocks.

    Of luma less its blur, averaged over the blocks of 32×32 in [3, H, W] whose luma has a standard deviation below 4
    levels: grain that is independent from pixel to pixel leaves an eighth of its own deviation, a pattern of period 4
    all of it. None where no block is flat.
    """
    plane = luma(y.double())
    fine = plane - _blurred(plane)
    blocks, fine_blocks = (_blocks(image, FLAT_BLOCK) for image in (plane, fine))
    flat = fine_blocks[blocks.flatten(1).var(1, correction=0) < FLAT**2] if len(blocks) else blocks
    if not len(flat):
        return None
    cells = FLAT_BLOCK // CELL
    means = flat.view(-1, cells, CELL, cells, CELL).mean((1, 3)).flatten(1)  # [flat blocks, 16]
    return 255 * means.std(1, correction=0).mean().item()


def _laplacian(y: Tensor) -> Tensor:
    """Compute the Laplacian of the luma of [3, H, W]: [H, W]; edges are repeated."""
    padded = functional.pad(luma(y.double())[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    return padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * padded[1:-1, 1:-1]


def _blocks(image: Tensor, side: int) -> Tensor:
    """Cut [H, W] into whole blocks [N, side, side] from the top left corner."""
    height, width = (n // side for n in image.shape)
    whole = image[: height * side, : width * side].reshape(height, side, width, side)
    return whole.permute(0, 2, 1, 3).reshape(-1, side, side)


def _blurred(image: Tensor) -> Tensor:
    """Blur [H, W] by a Gaussian of σ `BLUR`, cut off at 4 σ; edges are repeated."""
    reach = math.ceil(4 * BLUR)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=image.dtype) / BLUR) ** 2)
    taps /= taps.sum()
    padded = functional.pad(image[None, None], (reach,) * 4, mode="replicate")
    return functional.conv2d(functional.conv2d(padded, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))[0, 0]

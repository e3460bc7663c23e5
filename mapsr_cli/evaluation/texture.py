"""How much texture a picture has, and how much of it repeats with the period of the pixel shuffle."""

from torch import Tensor
from torch.nn import functional

from mapsr_cli.evaluation.metrics import luma

CELL, CELLS = 4, 4
"""HR pixels a side of a cell, and cells a side of a block."""
MIDDLE = 128
"""HR pixels a side of the part that `grid` looks at."""


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
    block = CELL * CELLS
    padded = functional.pad(luma(y.double())[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    laplacian = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * padded[1:-1, 1:-1]
    height, width = (min(n, MIDDLE) // block * block for n in laplacian.shape)
    top, left = ((n - m) // 2 for n, m in zip(laplacian.shape, (height, width), strict=True))
    middle = laplacian[top : top + height, left : left + width]
    cells = middle.reshape(height // block, CELLS, CELL, width // block, CELLS, CELL)
    energy = cells.square().sum().item()
    common = cells.mean((1, 4)).square().sum().item() * CELLS**2
    return common / energy if energy > 1e-12 else None

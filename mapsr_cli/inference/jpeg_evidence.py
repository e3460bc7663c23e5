"""A JPEG's coefficients as what is known of a picture: where its cells can serve, and whether a result agrees."""

import torch
from torch import Tensor

from mapsr_cli.errors import ImageError
from mapsr_cli.imaging import INSTEAD, JpegCoefficients, Picture
from mapsr_cli.operators import (
    AnyKernel,
    CellConsistency,
    ResizingKernel,
    cell_consistency,
    downsampling,
    make_strips,
    satisfied,
)

TURNED = f"EXIF turns it, and the kernel is not symmetric: {INSTEAD}"
"""Said of a JPEG whose coefficients cannot serve."""

STRIP = 256
"""LR rows that are compared at once."""


def stored_kernel(jpeg: JpegCoefficients, kernel: AnyKernel) -> AnyKernel | None:
    """Return A of pictures in the JPEG's stored orientation, for the `kernel` of pictures as they are seen.

    None where EXIF turns them and the kernel is not symmetric.
    """
    if jpeg.turn == 1:
        return kernel
    if not kernel.symmetric:
        return None
    return kernel.transposed if isinstance(kernel, ResizingKernel) and jpeg.turn >= 5 else kernel


def compare_cells(
    hr: Picture, lr: Picture, jpeg: JpegCoefficients, kernel: AnyKernel
) -> tuple[CellConsistency, Tensor]:
    """Compare A of HR's stored samples, in double precision, with the cells of the JPEG that LR was decoded from.

    Also returns by how many steps the worst coefficient of each block is off, at every pixel of that block: [C, h, w],
    as LR is seen. Raises ImageError where the two differ in kind.
    """
    hr = hr.as_kind(len(hr.levels), False)
    lr, levels = lr.as_kind(len(hr.levels), False), hr.levels
    if hr.alpha is not None or len(lr.levels) != len(levels):
        raise ImageError("they differ in channels: is one grey, in CMYK or transparent, and the other not?")
    strips = make_strips(downsampling(kernel, (levels.shape[-2], levels.shape[-1]), torch.float64))
    ay = strips.down_whole(lambda rows: levels[:, rows].double() * (lr.peak / hr.peak))
    ay, x = jpeg.as_stored(ay), jpeg.as_stored(lr.levels)
    total = CellConsistency()
    side = jpeg.tables.block * max(STRIP // jpeg.tables.block, 1)
    for top in range(0, x.shape[-2], side):  # little memory, where all is well
        rows = slice(top, min(top + side, x.shape[-2]))
        found = satisfied(jpeg.rows_of_cells(x, rows), ay[:, rows])
        if found is None:
            break
        total += found
    else:
        return total, torch.zeros(()).expand(lr.levels.shape)
    cells = jpeg.cells(lr.levels.double())
    off, steps = cell_consistency(cells, ay, stored_kernel(jpeg, kernel) or kernel, lr.peak)
    return off, jpeg.as_seen(_over_blocks(steps, cells.tables.grids))


def _over_blocks(steps: Tensor, grids: tuple[tuple[int, int], ...]) -> Tensor:
    """Spread the largest value of each plane's blocks over the pixels that they cover: [C, h, w]."""
    spread = torch.zeros_like(steps)
    for plane, into, (down, across) in zip(steps, spread, grids, strict=False):
        if not plane.any():
            continue
        for row, col in {(int(i) // (8 * down), int(j) // (8 * across)) for i, j in plane.nonzero().tolist()}:
            area = slice(row * 8 * down, (row + 1) * 8 * down), slice(col * 8 * across, (col + 1) * 8 * across)
            into[area] = plane[area].max()
    return spread

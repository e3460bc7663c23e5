"""Saved levels whose A y lies in every cell of a JPEG, where that can be; and proofs about where it cannot."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mapsr_cli.operators import (
    AnyKernel,
    CellConsistency,
    JpegCells,
    JpegTables,
    Levels,
    ResizingKernel,
    cell_consistency,
    downsampling,
    jpeg_cells,
    make_kernel,
    mend,
    rounding_margin,
)
from mapsr_cli.operators.feasibility import infeasible_blocks
from mapsr_cli.operators.jpeg_tables import GRIDS
from tests.pictures import scene

LUMA = 1 + torch.arange(64).view(8, 8) // 4


def tables_of(kind: str, quality: float) -> JpegTables:
    """Steps that grow with the frequency, times `quality`."""
    planes = 1 if kind == "grey" else 3
    chroma = GRIDS.get(kind, (1, 1))
    steps = (quality * torch.stack([LUMA, 2 * LUMA, 2 * LUMA][:planes])).round().clamp_min(1).float()
    return JpegTables(steps, ((1, 1), chroma, chroma)[:planes], rgb=kind == "RGB")


def coded(lr: Tensor, tables: JpegTables) -> JpegCells:
    """What a JPEG of an LR image says, of blocks that the border does not cut; x is what a decoder gives."""
    c = tables.quantise(lr)
    cells = jpeg_cells(lr, c, tables)
    decoded = (lr + tables.lift(cells.middle)).round().clamp(0, 255)
    return jpeg_cells(decoded, c, tables)


def go_round(hr: Tensor, kernel: AnyKernel, cells: JpegCells) -> tuple[CellConsistency, Tensor]:
    """Project HR into the cells, round and mend it; and count as `verify` does, in double precision."""
    op = downsampling(kernel, (hr.shape[-2], hr.shape[-1]))
    f = op.project(hr, cells.shrunk(rounding_margin(kernel)).nearest(op.down(hr)))
    levels = Levels.rounded(f, 255, ordered=True)
    with torch.inference_mode():
        mend(levels, cells, op.down(levels.rows(slice(0, hr.shape[-2]))) - cells.x, kernel, keep=True)
    exact = downsampling(kernel, op.hr_size, torch.float64)
    wide = replace(cells, x=cells.x.double(), middle=cells.middle.double(), half=cells.half.double())
    return cell_consistency(wide, exact.down(levels.image.double()), kernel)


@pytest.mark.parametrize("quality", [0.3, 3.0])
@pytest.mark.parametrize("kind", ["4:4:4", "4:2:0", "4:2:2", "grey", "RGB"])
def test_every_coefficient_of_a_picture_that_is_clipped(kind: str, quality: float) -> None:
    kernel = make_kernel("bicubic", 4)
    hr = scene(4 * 53, 4 * 70, seed=4, contrast=1.5)[: 1 if kind == "grey" else 3]
    lr = downsampling(kernel, (212, 280)).down(hr)
    result, steps = go_round(hr, kernel, coded(lr, tables_of(kind, quality)))
    assert result.coefficients > 2000
    assert result.share >= 0.9999
    assert result.infeasible_blocks == 0
    assert result.holds == (not steps.any())


@pytest.mark.parametrize(("size", "kernel"), [((96, 128), make_kernel("bicubic", 2)), ((80, 101), None)])
def test_at_other_sizes(size: tuple[int, int], kernel: AnyKernel | None) -> None:
    a = kernel or ResizingKernel("bicubic", (48, 61), size)
    hr = scene(*size, seed=2, contrast=1.3)
    result, _ = go_round(hr, a, coded(downsampling(a, size).down(hr), tables_of("4:2:0", 1.0)))
    assert result.coefficients > 2000
    assert result.share >= 0.999


def flat(colour: tuple[float, float, float], tables: JpegTables) -> JpegCells:
    """An image of one colour in Y, Cb and Cr (less 128), as a JPEG states it."""
    stored = [torch.zeros(4, 4, 8, 8) for _ in range(3)]
    for k, value, step, shift in zip(stored, colour, tables.steps, (128, 0, 0), strict=True):
        k[..., 0, 0] = round(8 * (value - shift) / float(step[0, 0]))
    return jpeg_cells(torch.full((3, 32, 32), 128.0, dtype=torch.float64), stored, tables)


@pytest.mark.parametrize("kernel", [make_kernel("bicubic", 4), ResizingKernel("bicubic", (32, 32), (80, 75))])
def test_colours_outside_of_rgb_are_proven_infeasible(kernel: AnyKernel) -> None:
    """Y = 30 with Cr = 120 would need a green and blue far below 0; grey and a strong red are possible."""
    tables = JpegTables(torch.full((3, 8, 8), 2.0))
    all_wrong = torch.ones(3, 32, 32, dtype=torch.bool)
    assert infeasible_blocks(flat((30, 0, 120), tables), all_wrong, kernel, 255).all()
    for possible in ((128, 0, 0), (76, -43, 127)):
        assert not infeasible_blocks(flat(possible, tables), all_wrong, kernel, 255).any()


def test_only_blocks_with_something_wrong_are_tried() -> None:
    cells = flat((30, 0, 120), JpegTables(torch.full((3, 8, 8), 2.0)))
    wrong = torch.zeros(3, 32, 32, dtype=torch.bool)
    wrong[1, 9, 20] = True
    found = infeasible_blocks(cells, wrong, make_kernel("bicubic", 4), 255)
    assert int(found.sum()) == 3 * 64
    assert found[:, 8:16, 16:24].all()


def test_infeasible_blocks_are_counted_apart() -> None:
    """Nothing else is wrong where all the rest agrees."""
    kernel, cells = make_kernel("bicubic", 4), flat((30, 0, 120), JpegTables(torch.full((3, 8, 8), 2.0)))
    result, steps = cell_consistency(cells, torch.full((3, 32, 32), 30.0, dtype=torch.float64), kernel)
    assert result == CellConsistency(0, 0, 0.0, 16)
    assert result.holds
    assert steps.max() == 0
    assert "16 blocks" in result.notes()[0]


def test_what_is_off_is_counted_in_steps() -> None:
    cells = flat((128, 0, 0), JpegTables(torch.full((3, 8, 8), 10.0)))
    y = torch.full((3, 32, 32), 128.0, dtype=torch.float64)
    y[:, :8, :8] += 1.5  # DC is off by 12 levels, 7 beyond the cell
    result, steps = cell_consistency(cells, y, make_kernel("bicubic", 4))
    assert (result.coefficients, result.inside, result.infeasible_blocks) == (3 * 1024, 3 * 1024 - 1, 0)
    assert result.worst_steps == pytest.approx(0.7)
    assert steps[0, 0, 0] == pytest.approx(0.7)
    assert "1 of 3,072 JPEG coefficients off, by 0.7 steps" in result.describe()

"""The evidence of a JPEG: each DCT coefficient of A y rounds to the stored one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from mapsr_cli.operators.evidence import Evidence
from mapsr_cli.operators.jpeg_tables import JpegTables
from mapsr_cli.operators.levels import Place
from mapsr_cli.operators.resizing import AnyKernel


@dataclass(frozen=True, eq=False)
class JpegCells(Evidence):
    """|c(A y) − k Q| ≤ Q / 2 for every coefficient of every whole block, in the file's own colours, grids and tables.

    c, k and Q are `JpegTables`'. A block that reaches over the image's edge depends on what the encoder put there: its
    coefficients are free. `jpeg_cells` makes it.
    """

    couples_channels: ClassVar[bool] = True

    tables: JpegTables
    """Colours and grids of L; in the unit of x."""
    middle: Tensor
    """[..., C, h, w]: k Q − c(x), in coordinates."""
    half: Tensor
    """[..., C, h, w]: Q / 2; ∞ where there is no limit."""
    margin: float = 0.0
    """Levels by which each face lies further inside, as far as the cell is wide enough."""

    @property
    def block(self) -> int:
        """8 pixels, or more where chroma is subsampled."""
        return self.tables.block

    def nearest(self, ay: Tensor) -> Tensor:
        """Move each coefficient of A y [..., C, h, w] into its cell: nearest in Y, Cb and Cr, or in stored RGB.

        What coefficients do not show, such as detail of chroma finer than its samples, stays as it is.
        """
        c = self.coordinates(ay - self.x)
        return ay + self.tables.lift(torch.clamp(c, *self.tolerance()) - c)

    def tolerance(self) -> tuple[Tensor, Tensor]:
        """Return what c(A y) − c(x) may be."""
        half = (self.half - self.margin).clamp_min(0)
        return self.middle - half, self.middle + half

    def describe(self) -> str:
        """Say that it is the coefficients of a JPEG."""
        return "each DCT coefficient of A y rounds to the one stored"

    def shrunk(self, by: float) -> Self:
        """Add to the margin; a cell that is narrower becomes its middle."""
        return replace(self, margin=self.margin + by)

    def told(self) -> Tensor:
        """Return the tables and the grid of chroma, see `Evidence.told`."""
        told = super().told()
        told[:, :4] = self.tables.numbers() / 5
        told[:, 4] = math.log2(math.prod(self.tables.grids[-1])) / 2
        return told

    def coordinates(self, v: Tensor) -> Tensor:
        """Compute coefficients."""
        return self.tables.coefficients(v)

    def coordinates_adjoint(self, c: Tensor) -> Tensor:
        """Apply the transpose."""
        return self.tables.adjoint(c)

    def lift(self, c: Tensor) -> Tensor:
        """Return the least change of Y, Cb and Cr, or of stored RGB."""
        return self.tables.lift(c)

    def lift_adjoint(self, v: Tensor) -> Tensor:
        """Apply the transpose of `lift`."""
        return self.tables.lift_adjoint(v)

    def at(self, places: Sequence[Place]) -> Self:
        """Return the evidence about parts of the image, see `Evidence.at`; blocks that a part cuts are free there."""
        x, middle, half = (torch.stack([t[place] for place in places]) for t in (self.x, self.middle, self.half))
        whole = self.tables.whole((x.shape[-2], x.shape[-1]), x.shape[-3]).to(x.device)
        return replace(self, x=x, middle=middle.where(whole, 0.0), half=half.where(whole, math.inf))


ROUNDING = 5.0
"""Standard deviations of what rounding an HR image does to A y by which cells are drawn in before."""


def rounding_margin(kernel: AnyKernel) -> float:
    """Return the levels by which coefficients of A ŷ should lie inside their cells, so that rounding ŷ leaves them."""
    return ROUNDING * kernel.noise_gain / math.sqrt(12)


def jpeg_cells(x: Tensor, stored: Sequence[Tensor], tables: JpegTables, peak: float = 255.0) -> JpegCells:
    """Make the evidence of one JPEG, or of a batch of them that share colours and grids.

    A batch of training samples is x [N, C, h, w], `stored` of each plane [N, rows, columns, 8, 8] and `tables` with
    steps [N, P, 8, 8]. Samples with other grids, or of another kind, go together in an `EachOwn`.

    Args:
        x: [..., C, h, w] the decoded image, or any other that A y is near to; its dtype, device and unit are those of
            the evidence. C = 3 for a grey JPEG, too, limits luma alone.
        stored: whole numbers k of each plane, as the file has them.
        tables: steps in levels of 8 bits.
        peak: the value that level 255 has in x: 255, or 1 for images in [0, 1].

    Raises:
        UsageError: too few blocks for the image's size.
    """
    unit, (channels, *size) = peak / 255, x.shape[-3:]
    tables = replace(tables, steps=tables.steps.to(x))
    area = size[0], size[1]
    middle = unit * tables.place([k.to(x) for k in stored], area, channels) - tables.coefficients(x)
    return JpegCells(x, tables, middle, unit * tables.half_steps(area, channels).expand_as(x))

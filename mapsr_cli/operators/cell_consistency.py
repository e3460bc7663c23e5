"""How well an image, downscaled, agrees with the cells of a JPEG, in counts of coefficients."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from mapsr_cli.operators.consistency import Agreement
from mapsr_cli.operators.feasibility import infeasible_blocks
from mapsr_cli.operators.jpeg_cells import JpegCells
from mapsr_cli.operators.resizing import AnyKernel

EXACT = 1e-6
"""Levels by which a coefficient may lie beyond its cell and count as inside: what double precision leaves open."""


@dataclass(frozen=True)
class CellConsistency(Agreement):
    """Where the DCT coefficients of A y lie, of whole blocks that some picture satisfies."""

    evidence: ClassVar[str] = "jpeg"
    name: ClassVar[str] = "JPEG coefficients inside"
    unit: ClassVar[str] = "of its JPEG's coefficients agree"

    coefficients: int = 0
    """Coefficients with a cell, in such blocks."""
    inside: int = 0
    """Those inside their cells."""
    worst_steps: float = 0.0
    """How far the worst of them lies beyond its cell, in quantisation steps; 0 where all are inside."""
    infeasible_blocks: int = 0
    """Blocks that no picture in 0 … peak satisfies; they are not counted above."""

    @property
    def holds(self) -> bool:
        """Whether every coefficient is inside."""
        return self.inside == self.coefficients

    @property
    def promise(self) -> str:
        """Agree with the file."""
        return "agrees with every coefficient of its JPEG"

    @property
    def share(self) -> float:
        """Fraction of coefficients inside; 1 of none."""
        return self.inside / self.coefficients if self.coefficients else 1.0

    @property
    def worst(self) -> float:
        """How far the worst coefficient lies beyond its cell, in steps."""
        return self.worst_steps

    @property
    def empty(self) -> bool:
        """Return False: where there is no coefficient, as of an image smaller than a block, all of them agree."""
        return False

    def notes(self) -> tuple[str, ...]:
        """Say how many blocks are infeasible."""
        count = self.infeasible_blocks
        blocks = "1 block says" if count == 1 else f"{count:,} blocks say"
        return (f"{blocks} what no picture from black to white can be: not counted",) * (count > 0)

    def figures(self) -> dict[str, Any]:
        """Return what `--json` prints of it."""
        names = ("coefficients", "worst_steps", "infeasible_blocks", "holds")
        return {**{name: getattr(self, name) for name in names}, "inside": self.share}

    def __add__(self, other: "CellConsistency") -> "CellConsistency":
        return CellConsistency(
            self.coefficients + other.coefficients,
            self.inside + other.inside,
            max(self.worst_steps, other.worst_steps),
            self.infeasible_blocks + other.infeasible_blocks,
        )

    def describe(self) -> str:
        """Say how many coefficients are outside, and by how much."""
        off = f"{self.coefficients - self.inside:,} of {self.coefficients:,} JPEG coefficients off"
        return f"{off}, by {self.worst_steps:.2g} steps at worst"


def satisfied(cells: JpegCells, ay: Tensor) -> CellConsistency | None:
    """Count the coefficients of A y [C, h, w], not rounded, in float64; None where any lies outside its cell."""
    if (cells.violation(ay) > EXACT).any():
        return None
    count = int(cells.half.isfinite().sum())
    return CellConsistency(count, count)


def cell_consistency(
    cells: JpegCells, ay: Tensor, kernel: AnyKernel, peak: int = 255
) -> tuple[CellConsistency, Tensor]:
    """Count where A y [C, h, w], not rounded, in float64, lies; also returns how far outside, in steps [C, h, w].

    Those are 0 in infeasible blocks, too.
    """
    off = cells.violation(ay)
    limited, wrong = cells.half.isfinite(), off > EXACT
    infeasible = infeasible_blocks(cells, wrong, kernel, peak) if wrong.any() else torch.zeros_like(wrong)
    steps = torch.where(wrong & ~infeasible, off / (2 * cells.half), 0.0)
    counted = limited & ~infeasible
    count = int(counted.sum())
    corners = infeasible[0, :: cells.block, :: cells.block]
    inside, worst = count - int((wrong & counted).sum()), float(steps.max()) if steps.numel() else 0.0
    return CellConsistency(count, inside, worst, int(corners.sum())), steps

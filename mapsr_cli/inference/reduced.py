"""A model's estimate, projected at its own size and reduced to a smaller one, without being held as a whole.

Both steps are linear but for the residual, which is as small as the original: R (f + A⁺ r) = R f + R Aᵀ u, with
u = (AAᵀ)⁻¹ r. So A f and R f are computed from the rows of f as they come, then R Aᵀ u from the rows of Aᵀ u.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from mapsr_cli.inference.chunks import Chunks
from mapsr_cli.inference.memory import BOUND, OWN
from mapsr_cli.inference.projection import chunks_for, correction
from mapsr_cli.networks import Constraint
from mapsr_cli.operators import Evidence, ResizingKernel, Strips, downsampling, make_strips

Take = Callable[[slice, Tensor], None]
"""Takes LR rows of an operator, and what it makes there [C, rows, w]."""


class Stream:
    """An image [C, H, W] that comes in rows from top to bottom, for operators; what all have read is freed."""

    def __init__(self, readers: list[tuple[Strips, Take]], colours: int) -> None:
        """Give to each operator of one HR size the rows that it needs, and what it makes of them to its taker."""
        self._readers = readers
        self._chunks, self._next = chunks_for(readers[0][0], colours), [0] * len(readers)

    def put(self, rows: slice, cols: slice, part: Tensor, times: float = 1) -> None:
        """Put a part [C, rows, cols], multiplied; parts come row by row, each row from left to right."""
        width = self._readers[0][0].op.hr_size[1]
        self._chunks.write(rows, cols, width, part, times)
        if cols.stop == width:
            self._advance(rows.stop)

    def _advance(self, ready: int) -> None:
        """Run each operator as far as the first `ready` rows suffice, and free what none of them will read again."""
        unread = ready
        for index, (strips, take) in enumerate(self._readers):
            while self._next[index] < len(strips.plan):
                part = strips.plan[self._next[index]]
                needed = strips.reads(part)
                if needed.stop > ready:
                    unread = min(unread, needed.start)
                    break
                take(part, strips.down(part, self._chunks.read))
                self._next[index] += 1
        self._chunks.drop_before(unread)


class Reduced:
    """What becomes of f at the own size of `strips`: projected there, then reduced to the HR size of `target`.

    The reduction R has antialiased bicubic weights. Everything is in float32.
    """

    def __init__(self, strips: Strips, target: Strips, colours: int) -> None:
        self._strips, self._target, self._colours = strips, target, colours
        large, small = strips.op.hr_size, target.op.hr_size
        self._reducing = make_strips(
            downsampling(ResizingKernel("bicubic", small, large), large, torch.float32, strips.device)
        )
        self._begin()

    def _begin(self) -> None:
        """Start anew from the first row."""
        size, place = self._strips.op.lr_size, self._strips.device
        self._downscaled = torch.empty(self._colours, *size, device=place)
        self._reduced = chunks_for(self._target, self._colours)
        readers: list[tuple[Strips, Take]] = [(self._strips, self._keep), (self._reducing, self._write)]
        self._stream = Stream(readers, self._colours)

    def _keep(self, rows: slice, part: Tensor) -> None:
        self._downscaled[:, rows] = part

    def _write(self, rows: slice, part: Tensor) -> None:
        width = part.shape[-1]
        self._reduced.write(rows, slice(0, width), width, part)

    def put(self, rows: slice, cols: slice, part: Tensor, times: float) -> None:
        """Put a tile of f [C, rows, cols], multiplied; the first tile again: f comes anew, in other tiles."""
        if rows.start == 0 and cols.start == 0:
            self._begin()
        self._stream.put(rows, cols, part, times)

    def room(self, x: Tensor) -> int:
        """Return the bytes that are left for tiles of f of an original x [C, h, w], for all to stay within BOUND."""
        height, width = self._target.op.hr_size
        kept = 4 * self._colours * height * width + 4 * x.numel() + x.nbytes  # R f, A f and x
        return BOUND[0] + BOUND[1] * height * width - OWN - kept

    def projected(self, constraint: Constraint, evidence: Evidence) -> Chunks:
        """Return the reduced image, once all tiles are there: R f, and R A⁺ of what the constraint lacks, if any."""
        u = correction(constraint, evidence, self._strips.op, lambda: self._downscaled)
        del self._downscaled, self._stream  # which holds methods of this object: only garbage collection would
        if u is not None:
            self._add(u)
        return self._reduced

    def _add(self, u: Tensor) -> None:
        """Add R Aᵀ u, for u [C, h, w]."""
        stream, width = Stream([(self._reducing, self._reduced.add)], self._colours), self._strips.op.hr_size[1]
        for part in self._strips.plan:
            rows = self._strips.hr(part)
            detail = u.new_zeros(len(u), rows.stop - rows.start, width)
            self._strips.add_adjoint(part, u, detail)
            stream.put(rows, slice(0, width), detail)

"""A model's estimate for any size: at its own, f(x); at another, by way of its own."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from mapsr_cli.inference.chunks import Chunks
from mapsr_cli.inference.projection import chunks_for, project_in_place
from mapsr_cli.inference.reduced import Reduced
from mapsr_cli.inference.report import StageProgress
from mapsr_cli.inference.tiled_network import TiledNetwork
from mapsr_cli.inference.tiles import Put
from mapsr_cli.networks import Affine, Constraint, Unconstrained
from mapsr_cli.operators import (
    AnyKernel,
    Evidence,
    Kernel,
    Point,
    Strips,
    downsampling,
    kernel_between,
    make_strips,
)


@dataclass(frozen=True)
class SizedNetwork:
    """A tiled network under A, which estimates what is to be projected at whatever size."""

    network: TiledNetwork
    kernel: Kernel
    """A at the network's own size."""
    projected: bool
    """Whether estimates are projected; otherwise they are the network's, as they are."""

    @property
    def _own(self) -> Constraint:
        """What makes an estimate of f at the model's own size."""
        model = self.network.model
        return Affine(self.kernel, model.guess) if self.projected else model.constraint.unprojected(self.kernel)

    def constraint(self, lr_size: tuple[int, int], kernel: AnyKernel) -> Constraint:
        """Return what makes an estimate of what `estimate` gives under A: of any other size than the own, a picture."""
        if kernel.hr_size(lr_size) == self.kernel.hr_size(lr_size):
            return self._own
        return Affine(kernel) if self.projected else Unconstrained(kernel)

    def estimate(
        self, x: Tensor, strips: Strips, peak: int, progress: StageProgress, sample: int, evidence: Evidence | None
    ) -> tuple[Chunks, tuple[str, ...]]:
        """Estimate what is to be projected at the size of `strips`: in levels, for x [C, h, w] in levels of any type.

        At the model's own size that is f(x). At a smaller one it is the model's estimate, reduced. For a larger one the
        model upscales twice: first to a size that is, times its factor, the one wanted. `evidence`: what is known of x,
        in levels; None: it is exact. Also returns notes.
        """
        own, wanted = self.kernel.hr_size((x.shape[-2], x.shape[-1])), strips.op.hr_size
        if own == wanted:
            return self._run(x, strips, peak, progress, sample, evidence)
        notes: tuple[str, ...] = ()
        if wanted[0] > own[0] or wanted[1] > own[1]:
            larger, notes = self._enlarged(x, wanted, peak, progress, sample, evidence)
            evidence = evidence if larger is x else None
            x = larger
        size = self.kernel.hr_size((x.shape[-2], x.shape[-1]))
        whole = make_strips(downsampling(self.kernel, size, torch.float32, strips.device))
        if size == wanted:
            f, more = self._run(x, whole, peak, progress, sample, evidence)
            project_in_place(whole, f, self._own, about(x, evidence, whole))
            return f, notes + more
        reduced = Reduced(whole, strips, len(x))
        put = partial(reduced.put, times=peak)
        more = self._tiles(x, put, strips.device, peak, progress, sample, evidence, reduced.room(x))
        return reduced.projected(self._own, about(x, evidence, whole)), notes + more

    def _enlarged(
        self,
        x: Tensor,
        wanted: tuple[int, int],
        peak: int,
        progress: StageProgress,
        sample: int,
        evidence: Evidence | None,
    ) -> tuple[Tensor, tuple[str, ...]]:
        """Upscale x [C, h, w] in levels to the smallest size from which the model reaches the size wanted."""
        lr_size, low = (x.shape[-2], x.shape[-1]), self.kernel.lr_size(wanted)
        middle = max(low[0], lr_size[0]), max(low[1], lr_size[1])
        if middle == lr_size:
            return x, ()
        kernel = kernel_between(self.kernel, lr_size, middle)
        strips = make_strips(downsampling(kernel, middle, torch.float32, self.network.device))
        f, notes = self.estimate(x, strips, peak, progress, sample, evidence)
        if self.projected:
            project_in_place(strips, f, self.constraint(lr_size, kernel), about(x, evidence, strips))
        return f.read(slice(0, middle[0])).clamp(0, peak), notes

    def _run(
        self, x: Tensor, strips: Strips, peak: int, progress: StageProgress, sample: int, evidence: Evidence | None
    ) -> tuple[Chunks, tuple[str, ...]]:
        """Compute f(x), for x [C, h, w] in levels, in levels, into chunks that go with `strips`."""
        f, width = chunks_for(strips, len(x)), strips.op.hr_size[1]

        def put(rows: slice, cols: slice, part: Tensor) -> None:
            f.write(rows, cols, width, part, times=peak)

        return f, self._tiles(x, put, strips.device, peak, progress, sample, evidence)

    def _tiles(
        self,
        x: Tensor,
        put: Put,
        device: torch.device,
        peak: int,
        progress: StageProgress,
        sample: int,
        evidence: Evidence | None,
        room: int | None = None,
    ) -> tuple[str, ...]:
        """Compute f(x), for x [C, h, w] in levels, and give its tiles on `device` to `put`; returns notes."""
        told = None if evidence is None else evidence.told()
        return self.network.run(
            x,
            lambda rows, cols, part: put(rows, cols, part.to(device)),
            partial(progress, "network"),
            sample,
            told,
            peak=peak,
            room=room,
        )


def about(x: Tensor, evidence: Evidence | None, strips: Strips) -> Evidence:
    """Return the evidence, or else that x in levels is exact, where and in what `strips` computes."""
    said = Point(x) if evidence is None else evidence
    return said.to(strips.device, strips.dtype)

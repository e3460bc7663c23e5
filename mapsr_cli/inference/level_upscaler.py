"""Levels in, levels out: network, projection, round trip."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from mapsr_cli.errors import UsageError
from mapsr_cli.inference.chunks import Chunks
from mapsr_cli.inference.memory import within_memory
from mapsr_cli.inference.projection import chunks_for, project, project_in_place, residual_of, resize
from mapsr_cli.inference.report import UpscaleReport
from mapsr_cli.inference.sizes import SizeRequest
from mapsr_cli.inference.tiled_network import TiledNetwork
from mapsr_cli.inference.tiles import TileSize
from mapsr_cli.networks import Affine, Constraint, Unconstrained
from mapsr_cli.operators import (
    AnyKernel,
    Downsampling,
    Kernel,
    LevelCube,
    Point,
    Psf,
    Strips,
    check_strength,
    downsampling,
    kernel_between,
    make_strips,
    mend,
    soften,
)
from mapsr_cli.zoo import Model

ConsistencyLevel = Literal["bits", "float", "none"]
StageProgress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


@dataclass(frozen=True)
class Settings:
    """How to upscale."""

    consistency: ConsistencyLevel = "bits"
    """`bits`: the saved levels, through A and rounded, give the input back; `float`: projected, then only clipped and
    rounded; `none`: the network's estimate as it is, of a network for which that is a picture."""
    tile: TileSize = None
    """LR pixels a side of a tile; None chooses by free memory; 0 is the whole image at once. Several, as a report lists
    them: of each run of the network in turn, the last one also of all that follow."""
    strength: float = 1.0
    """Below 1, what of a noisy input is kept: see `operators.soften`. The guarantee is then off."""
    seed: int = 0
    """Random seed for a stochastic model's noise, 0 or more."""
    size: SizeRequest | None = None
    """Size of the result; None is the model's own factor."""


def silent(stage: str, done: int, total: int) -> None:
    """Take progress and say nothing."""


class LevelUpscaler:
    """Upscale planes of whole levels with one model on one device."""

    def __init__(
        self,
        model: Model,
        settings: Settings | None = None,
        kernel: Kernel | None = None,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Copy the network to `device`, in `dtype`. Raises UsageError where model, kernel and settings do not fit."""
        self.model, self.settings = model, settings or Settings()
        self.kernel, self.device, self.dtype = kernel or model.kernel, device, dtype
        self._check()
        self.network = TiledNetwork(model, device, dtype, self.settings.tile, self.settings.seed)

    def _check(self) -> None:
        """Raise UsageError where model, kernel and settings do not go together."""
        model, settings = self.model, self.settings
        if not model.takes_pictures:
            raise UsageError(f"{model.card.name} takes no photographs (three colours, any size)", "mapsr models list")
        if self.kernel.scale != model.kernel.scale:
            raise UsageError(f"the model is ×{model.kernel.scale}, the kernel ×{self.kernel.scale}")
        check_strength(settings.strength, self.kernel)
        if settings.strength < 1 and settings.consistency == "none":
            raise UsageError(
                "without a projection there is none to soften", "give either --strength, or consistency none"
            )
        if settings.consistency == "none" and model.needs_projection:
            raise UsageError(
                f"what the network of {model.card.name} gives is no picture without its projection",
                "--consistency float",
            )

    def kernel_for(self, lr_size: tuple[int, int]) -> AnyKernel:
        """Choose A for an LR image of size (h, w): the kernel, from the size that the settings ask for.

        Raises UsageError where there is no such A.
        """
        wanted = self.settings.size
        return self.kernel if wanted is None else kernel_between(self.kernel, lr_size, wanted.of(*lr_size))

    def operator(self, height: int, width: int, peak: int = 255, kernel: AnyKernel | None = None) -> Downsampling:
        """Make A for an LR image of height × width: in float32, which tells levels of 8 bits apart, else in float64."""
        kernel = kernel or self.kernel_for((height, width))
        dtype = torch.float32 if peak <= 255 else torch.float64
        device = "cpu" if peak > 255 and self.device == "mps" else self.device  # MPS has no float64
        return downsampling(kernel, kernel.hr_size((height, width)), dtype, device)

    def estimate(self, x: Tensor, progress: StageProgress = silent, sample: int = 1) -> Tensor:
        """Compute f(x), the network alone: x [C, h, w] in [0, 1], C = 1 or 3 → [C, s·h, s·w] float32 of any range."""
        f = torch.empty(len(x), *self.kernel.hr_size((x.shape[-2], x.shape[-1])), device=self.device)

        def put(rows: slice, cols: slice, part: Tensor) -> None:
            f[:, rows, cols] = part

        self.network.run(x, put, partial(progress, "network"), sample)
        return f

    @property
    def _constraint(self) -> Constraint:
        """What makes an estimate of f at the model's own size."""
        free = self.settings.consistency == "none"
        return self.model.constraint.unprojected(self.kernel) if free else Affine(self.kernel, self.model.guess)

    def _estimate_levels(
        self, x: Tensor, strips: Strips, peak: int, progress: StageProgress, sample: int
    ) -> tuple[Chunks, tuple[str, ...]]:
        """Estimate what is to be projected at the size of `strips`: in levels, for x [C, h, w] in [0, 1].

        At the model's own size that is f(x). At a smaller one it is the model's estimate, reduced. For a larger one the
        model upscales twice: first to a size that is, times its factor, the one wanted.
        """
        own, wanted = self.kernel.hr_size((x.shape[-2], x.shape[-1])), strips.op.hr_size
        if own == wanted:
            return self._estimate_chunks(x, strips, peak, progress, sample)
        notes: tuple[str, ...] = ()
        if wanted[0] > own[0] or wanted[1] > own[1]:
            x, notes = self._enlarged(x, wanted, progress, sample)
        size = self.kernel.hr_size((x.shape[-2], x.shape[-1]))
        whole = make_strips(downsampling(self.kernel, size, torch.float32, strips.device))
        f, more = self._estimate_chunks(x, whole, peak, progress, sample)
        project_in_place(whole, f, self._constraint, Point(peak * x.to(whole.device)))
        return (f if size == wanted else resize(f, size, strips, len(x))), notes + more

    def _enlarged(
        self, x: Tensor, wanted: tuple[int, int], progress: StageProgress, sample: int
    ) -> tuple[Tensor, tuple[str, ...]]:
        """Upscale x [C, h, w] in [0, 1] to the smallest size from which the model reaches the size wanted."""
        lr_size = x.shape[-2], x.shape[-1]
        low = self.kernel.lr_size(wanted)
        middle = max(low[0], lr_size[0]), max(low[1], lr_size[1])
        if middle == lr_size:
            return x, ()
        kernel = kernel_between(self.kernel, lr_size, middle)
        strips = make_strips(downsampling(kernel, middle, torch.float32, self.device))
        f, notes = self._estimate_levels(x, strips, 1, progress, sample)
        if self.settings.consistency != "none":
            project_in_place(strips, f, Affine(self.kernel, self.model.guess), Point(x.to(strips.device)))
        return f.read(slice(0, middle[0])).clamp(0, 1), notes

    def _estimate_chunks(
        self, x: Tensor, strips: Strips, peak: int, progress: StageProgress, sample: int
    ) -> tuple[Chunks, tuple[str, ...]]:
        """Compute f(x), for x [C, h, w] in [0, 1], in levels, into chunks that go with `strips`."""
        f, width = chunks_for(strips, len(x)), strips.op.hr_size[1]

        def put(rows: slice, cols: slice, part: Tensor) -> None:
            f.write(rows, cols, width, part.to(strips.device), times=peak)

        return f, self.network.run(x, put, partial(progress, "network"), sample)

    def _approximated(self, share: float) -> tuple[str, ...]:
        """Return the note about a share of the original's samples that no image gives back."""
        if not share:
            return ()
        advice = "" if isinstance(self.kernel, Psf) else "; --strength 0.5 avoids echoes at hard edges"
        return (f"{share:.1%} is sharper than any downscaled picture (line art?): approximated, tone first{advice}",)

    def upscale(
        self,
        lr: Tensor,
        peak: int = 255,
        progress: StageProgress = silent,
        *,
        exact: bool = False,
        sample: int = 1,
        kernel: AnyKernel | None = None,
    ) -> tuple[Tensor, UpscaleReport]:
        """Upscale LR levels [C, h, w] (integers 0 … peak, C = 1 or 3) to levels that nobody has checked yet.

        Returns [C, s·h, s·w] uint8 (uint16 where peak is 65535), on the CPU. `exact` ones (an alpha channel, in which
        the original has no noise) are kept whatever the settings' strength. `sample`: number of the draw of a
        stochastic model. `kernel`: A, by default the one for the size that the settings ask for. Raises MapsrError
        where memory does not suffice.
        """
        lr_size = lr.shape[-2], lr.shape[-1]
        kernel = kernel or self.kernel_for(lr_size)
        height, width = kernel.hr_size(lr_size)
        work = partial(self._upscale, lr, kernel, peak, progress, exact, sample)
        return within_memory(work, f"upscaling to {width}×{height} pixels", self.device)

    @torch.inference_mode()
    def _upscale(
        self, lr: Tensor, kernel: AnyKernel, peak: int, progress: StageProgress, exact: bool, sample: int
    ) -> tuple[Tensor, UpscaleReport]:
        began, before = time.perf_counter(), len(self.network.sides)
        strength = 1.0 if exact else self.settings.strength
        strips = make_strips(self.operator(lr.shape[-2], lr.shape[-1], peak, kernel))
        trusted = lr if strength == 1 else torch.stack([soften(plane, kernel, strength) for plane in lr])
        f, notes = self._estimate_levels(trusted.float() / peak, strips, peak, progress, sample)
        estimated = time.perf_counter()
        progress("project", 0, 1)
        x = lr.to(strips.device, strips.dtype)
        target = x if strength == 1 else trusted.to(strips.device, strips.dtype)
        constraint: Constraint = self._constraint
        if self.settings.consistency == "none" and kernel != self.kernel:
            constraint = Unconstrained(kernel)  # f is a picture already
        projected = project(strips, f, constraint, Point(target), x, peak)
        passes = 0
        if self.settings.consistency == "bits" and strength == 1:
            show, evidence = partial(progress, "round trip"), LevelCube(x, peak)
            residual = residual_of(strips, projected.levels, x)
            mended = mend(projected.levels, evidence, residual, kernel, show)
            passes, notes = mended.passes, notes + self._approximated(mended.given_up / lr.numel())
        progress("project", 1, 1)
        return projected.levels.image.cpu(), UpscaleReport(
            samples=lr.numel(),
            squared_float=projected.mse_float * lr.numel(),
            max_abs_float=projected.max_abs_float,
            passes=passes,
            seconds={"network": estimated - began, "project": time.perf_counter() - estimated},
            tiles=tuple(self.network.sides[before:]),
            notes=notes,
        )

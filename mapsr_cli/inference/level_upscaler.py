"""Levels in, levels out: network in tiles, projection, round trip."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from mapsr_cli.errors import MapsrError, UsageError
from mapsr_cli.inference.memory import bytes_per_pixel, choose_tile, free_memory, within_memory
from mapsr_cli.inference.noise import Noise
from mapsr_cli.inference.projection import chunks_for, project, residual_of
from mapsr_cli.inference.report import UpscaleReport
from mapsr_cli.inference.tiles import run_tiled
from mapsr_cli.networks import Affine
from mapsr_cli.operators import (
    Downsampling,
    Kernel,
    LevelCube,
    Point,
    check_strength,
    downsampling,
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
    tile: int | None = None
    """LR pixels a side of a tile; None chooses by free memory; 0 is the whole image at once."""
    strength: float = 1.0
    """Below 1, what of a noisy input is kept: see `operators.soften`. The guarantee is then off."""
    seed: int = 0
    """Random seed for a stochastic model's noise, 0 or more."""


LARGEST_VALUE = 1e6
"""Of an estimate, whose values lie about 0 … 1: the projection of larger ones is not accurate in float32."""
PRECISION_HINT = "--precision fp32 may do better; or the file is damaged, or not for pictures"
_SEAMS = "in tiles, and this network sees beyond their surroundings: near their edges it may differ from --tile off"


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
        self.network = copy.deepcopy(model.network).to(device, dtype)
        self.network.to(memory_format=model.memory_format)  # type: ignore[call-overload]
        self._per_pixel: float | None = None

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

    def operator(self, height: int, width: int, peak: int = 255) -> Downsampling:
        """Make A for an LR image of height × width: in float32, which tells levels of 8 bits apart, else in float64."""
        dtype = torch.float32 if peak <= 255 else torch.float64
        device = "cpu" if peak > 255 and self.device == "mps" else self.device  # MPS has no float64
        return downsampling(self.kernel, self.kernel.hr_size((height, width)), dtype, device)

    def tile_for(self, x: Tensor) -> int:
        """Choose the side of a tile for x [C, h, w]: as set, or by the memory that is free now."""
        if self.settings.tile is not None:
            return self.settings.tile or max(x.shape[-2:])
        if self._per_pixel is None:
            probe = torch.empty(3, 1, 1, dtype=self.dtype, device=self.device)
            noise = (probe.new_empty(self.model.noise_dim, 1, 1),) if self.model.noise_dim else ()
            self._per_pixel = bytes_per_pixel(self.network, probe, *noise)
        image = 4 * self.kernel.hr_pixels(x.numel())  # the estimate itself, in float32
        free = free_memory(self.device) - image
        return choose_tile(free, self._per_pixel, self.model.receptive_field, self.device)

    def estimate(self, x: Tensor, progress: StageProgress = silent, sample: int = 1) -> Tensor:
        """Compute f(x), the network alone: x [C, h, w] in [0, 1], C = 1 or 3 → [C, s·h, s·w] float32 of any range."""
        f = torch.empty(len(x), *self.kernel.hr_size((x.shape[-2], x.shape[-1])), device=self.device)
        self._estimate(x, lambda rows, cols, part: f[:, rows, cols].copy_(part), progress, sample)
        return f

    def _estimate(
        self, x: Tensor, put: Callable[[slice, slice, Tensor], object], progress: StageProgress, sample: int
    ) -> tuple[str, ...]:
        """Compute f(x), tile by tile; returns notes about memory and seams."""
        colour = x.to(self.device, self.dtype).expand(3, -1, -1)

        def take(rows: slice, cols: slice, f: Tensor) -> None:
            f = f[0].float()
            low, high = f.aminmax()
            if not (low > -LARGEST_VALUE and high < LARGEST_VALUE):  # also where one is NaN
                name = self.model.card.name
                raise MapsrError(f"{name} gives values that are not finite, or far from any picture's", PRECISION_HINT)
            put(rows, cols, f if len(x) == 3 else f.mean(0, keepdim=True))  # grey in, grey out

        wanted = self.tile_for(x)
        used = run_tiled(
            lambda *inputs: self.network(*(part.contiguous(memory_format=self.model.memory_format) for part in inputs)),
            colour[None],
            self.kernel.scale,
            wanted,
            self.model.receptive_field,
            take,
            partial(progress, "network"),
            partial(self._noise, sample),
            self.model.period,
        )
        notes = () if used == wanted else (f"out of memory in tiles of {wanted} pixels: took {used}",)
        seams = max(x.shape[-2:]) > max(used, self.model.receptive_field) and not self.model.seamless
        return notes + (_SEAMS,) * seams

    def _noise(self, sample: int, rows: slice, cols: slice) -> tuple[Tensor, ...]:
        """Draw z [1, noise_dim, rows, cols] for a stochastic network; nothing for others."""
        if not self.model.noise_dim:
            return ()
        z = Noise(self.model.noise_dim, self.settings.seed, sample).draw(rows, cols)
        return (z[None].to(self.device, self.dtype),)

    def upscale(
        self, lr: Tensor, peak: int = 255, progress: StageProgress = silent, *, exact: bool = False, sample: int = 1
    ) -> tuple[Tensor, UpscaleReport]:
        """Upscale LR levels [C, h, w] (integers 0 … peak, C = 1 or 3) to levels that nobody has checked yet.

        Returns [C, s·h, s·w] uint8 (uint16 where peak is 65535), on the CPU. `exact` ones (an alpha channel, in which
        the original has no noise) are kept whatever the settings' strength. `sample`: number of the draw of a
        stochastic model. Raises MapsrError where memory does not suffice.
        """
        height, width = self.kernel.hr_size((lr.shape[-2], lr.shape[-1]))
        work = partial(self._upscale, lr, peak, progress, exact, sample)
        return within_memory(work, f"upscaling to {width}×{height} pixels", self.device)

    @torch.inference_mode()
    def _upscale(
        self, lr: Tensor, peak: int, progress: StageProgress, exact: bool, sample: int
    ) -> tuple[Tensor, UpscaleReport]:
        began = time.perf_counter()
        strength = 1.0 if exact else self.settings.strength
        trusted = lr if strength == 1 else torch.stack([soften(plane, self.kernel, strength) for plane in lr])
        strips = make_strips(self.operator(lr.shape[-2], lr.shape[-1], peak))
        f, width = chunks_for(strips, len(lr)), strips.op.hr_size[1]

        def put(rows: slice, cols: slice, part: Tensor) -> None:
            f.write(rows, cols, width, part.to(strips.device), times=peak)

        notes = self._estimate(trusted.float() / peak, put, progress, sample)
        estimated = time.perf_counter()
        progress("project", 0, 1)
        x = lr.to(strips.device, strips.dtype)
        target = x if strength == 1 else trusted.to(strips.device, strips.dtype)
        free = self.settings.consistency == "none"
        constraint = self.model.constraint.unprojected(self.kernel) if free else Affine(self.kernel)
        projected = project(strips, f, constraint, Point(target), x, peak)
        passes = 0
        if self.settings.consistency == "bits" and strength == 1:
            show, evidence = partial(progress, "round trip"), LevelCube(x, peak)
            residual = residual_of(strips, projected.levels, x)
            passes = mend(projected.levels, evidence, residual, self.kernel, show).passes
        progress("project", 1, 1)
        return projected.levels.image.cpu(), UpscaleReport(
            samples=lr.numel(),
            squared_float=projected.mse_float * lr.numel(),
            max_abs_float=projected.max_abs_float,
            passes=passes,
            seconds={"network": estimated - began, "project": time.perf_counter() - estimated},
            notes=notes,
        )

"""Levels in, levels out: network, projection, round trip."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from mapsr_cli.errors import UsageError
from mapsr_cli.inference.memory import within_memory
from mapsr_cli.inference.projection import project, residual_of
from mapsr_cli.inference.report import StageProgress, UpscaleReport, silent
from mapsr_cli.inference.sized_network import SizedNetwork, about
from mapsr_cli.inference.sizes import SizeRequest, check_room
from mapsr_cli.inference.tiled_network import TiledNetwork
from mapsr_cli.inference.tiles import TileSize
from mapsr_cli.operators import (
    AnyKernel,
    Downsampling,
    Evidence,
    Kernel,
    LevelCube,
    Psf,
    check_strength,
    downsampling,
    dtype_for,
    kernel_between,
    make_strips,
    mend,
    rounding_margin,
    soften,
)
from mapsr_cli.zoo import Model

LEAST_NOISE, MOST_NOISE = 0.5, 50.0
"""σ of noise in levels of 255 that may be asked for: less is lost in rounding."""
ConsistencyLevel = Literal["bits", "float", "none"]
EvidenceChoice = Literal["auto", "jpeg", "levels"]


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
    noise: float | Literal["auto"] | None = None
    """σ of the input's noise in levels of 255, or `auto`, which estimates it of each: the result, through A, is then
    within 3 σ of every sample. For a network that is told σ, or one whose f is a picture."""
    seed: int = 0
    """Random seed for a stochastic model's noise, 0 or more."""
    size: SizeRequest | None = None
    """Size of the result; None is the model's own factor."""
    evidence: EvidenceChoice = "auto"
    """What a JPEG says of A ŷ: `jpeg`, that each DCT coefficient rounds to the stored one; `levels`, as any other file,
    its decoded levels. `auto` takes `jpeg` where the coefficients can be had, without `strength` and `noise`."""
    texture: float | None = None
    """0 … 1: a mixture of the model and its twin that invents texture, see `zoo.mixture`; None: the model alone."""

    @property
    def asks_for_coefficients(self) -> bool:
        """Whether those of a JPEG are to be read."""
        plain = self.strength == 1 and self.noise is None and self.consistency != "none"
        return plain and self.evidence != "levels"


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
        self.sized = SizedNetwork(self.network, self.kernel, self.settings.consistency != "none")

    def _check(self) -> None:
        """Raise UsageError where model, kernel and settings do not go together."""
        model, settings = self.model, self.settings
        if not model.takes_pictures:
            raise UsageError(f"{model.card.name} takes no photographs (three colours, any size)", "mapsr models list")
        if self.kernel.scale != model.kernel.scale:
            raise UsageError(f"the model is ×{model.kernel.scale}, the kernel ×{self.kernel.scale}")
        check_strength(settings.strength, self.kernel)
        self._check_noise()
        if settings.evidence == "jpeg" and not settings.asks_for_coefficients:
            raise UsageError(
                "strength, noise and consistency none do not go with the evidence of a JPEG's coefficients",
                "--evidence levels",
            )
        if settings.strength < 1 and settings.consistency == "none":
            raise UsageError(
                "without a projection there is none to soften", "give either --strength, or consistency none"
            )
        if settings.consistency == "none" and model.needs_projection:
            raise UsageError(
                f"what the network of {model.card.name} gives is no picture without its projection",
                "--consistency float",
            )

    def _check_noise(self) -> None:
        """Raise UsageError where the settings speak of noise, and model or other settings do not go with it."""
        noise, settings = self.settings.noise, self.settings
        if noise is None:
            return
        if isinstance(noise, float | int) and not LEAST_NOISE <= noise <= MOST_NOISE:
            raise UsageError(f"noise of σ = {noise:g} levels", f"{LEAST_NOISE:g} … {MOST_NOISE:g}, of 255, or auto")
        if settings.strength < 1:
            raise UsageError("strength and noise exclude each other", "noise keeps a promise, strength has none")
        if settings.consistency == "none":
            raise UsageError("without a projection nothing is promised of noise", "--consistency bits")
        if self.model.guess == "original":
            raise UsageError(
                f"{self.model.card.name} takes every sample as exact: it would keep the noise",
                "-m natural-x4-affmse-jpeg"
                if settings.texture is None
                else "leave out texture: its models know no noise",
            )

    def kernel_for(self, lr_size: tuple[int, int]) -> AnyKernel:
        """Choose A for an LR image of size (h, w): the kernel, from the size that the settings ask for.

        Raises UsageError where there is no such A.
        """
        wanted = self.settings.size
        if wanted is None:
            return self.kernel
        hr_size = wanted.of(*lr_size)
        if self.settings.consistency == "bits" and self.settings.strength == 1:
            check_room(lr_size, hr_size, "--consistency float makes it all the same")
        return kernel_between(self.kernel, lr_size, hr_size)

    def operator(self, height: int, width: int, peak: int = 255, kernel: AnyKernel | None = None) -> Downsampling:
        """Make A for an LR image of height × width: in float32, which tells levels of 8 bits apart, else in float64."""
        kernel = kernel or self.kernel_for((height, width))
        device = "cpu" if peak > 255 and self.device == "mps" else self.device  # MPS has no float64
        return downsampling(kernel, kernel.hr_size((height, width)), dtype_for(peak), device)

    def estimate(self, x: Tensor, progress: StageProgress = silent, sample: int = 1) -> Tensor:
        """Compute f(x), the network alone: x [C, h, w] in [0, 1], C = 1 or 3 → [C, s·h, s·w] float32 of any range."""
        f = torch.empty(len(x), *self.kernel.hr_size((x.shape[-2], x.shape[-1])), device=self.device)

        def put(rows: slice, cols: slice, part: Tensor) -> None:
            f[:, rows, cols] = part

        self.network.run(x, put, partial(progress, "network"), sample)
        return f

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
        evidence: Evidence | None = None,
    ) -> tuple[Tensor, UpscaleReport]:
        """Upscale LR levels [C, h, w] (integers 0 … peak, C = 1 or 3) to levels that nobody has checked yet.

        Returns [C, s·h, s·w] uint8 (uint16 where peak is 65535), on the CPU. `exact` ones (an alpha channel, in which
        the original has no noise) are kept whatever the settings' strength. `sample`: number of the draw of a
        stochastic model. `kernel`: A, by default the one for the size that the settings ask for. `evidence`: what the
        original says, in levels, by default that A ŷ rounds to them. Raises MapsrError where memory does not suffice.
        """
        lr_size = lr.shape[-2], lr.shape[-1]
        kernel = kernel or self.kernel_for(lr_size)
        height, width = kernel.hr_size(lr_size)
        work = partial(self._upscale, lr, kernel, peak, progress, exact, sample, evidence)
        return within_memory(work, f"upscaling to {width}×{height} pixels", self.device)

    @torch.inference_mode()
    def _upscale(
        self,
        lr: Tensor,
        kernel: AnyKernel,
        peak: int,
        progress: StageProgress,
        exact: bool,
        sample: int,
        evidence: Evidence | None,
    ) -> tuple[Tensor, UpscaleReport]:
        began, before = time.perf_counter(), len(self.network.sides)
        strength = 1.0 if exact else self.settings.strength
        strips = make_strips(self.operator(lr.shape[-2], lr.shape[-1], peak, kernel))
        trusted = lr if strength == 1 else torch.stack([soften(plane, kernel, strength) for plane in lr])
        f, notes = self.sized.estimate(trusted, strips, peak, progress, sample, evidence)
        estimated = time.perf_counter()
        progress("project", 0, 1)
        x = lr.to(strips.device)
        said = about(trusted, evidence, strips)
        inside, in_blocks = said.shrunk(rounding_margin(kernel)), said.block > 1
        constraint = self.sized.constraint((lr.shape[-2], lr.shape[-1]), kernel)
        projected = project(strips, f, constraint, inside, x, peak, ordered=in_blocks)
        passes = 0
        if self.settings.consistency == "bits" and strength == 1:
            show, saved = partial(progress, "round trip"), LevelCube(x, peak) if evidence is None else said
            residual = residual_of(strips, projected.levels, x)
            mended = mend(projected.levels, saved, residual, kernel, show, keep=in_blocks)
            passes = mended.passes
            if not in_blocks:  # coefficients are counted apart, and told in numbers
                notes += self._approximated(mended.given_up / lr.numel())
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

"""Whatever can be evaluated: checkpoints, three baselines, and a folder of someone else's outputs."""

import os
import time
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.evaluation.protocol import PEAK, by_name, images_in, read_levels
from mapsr_cli.imaging import find_kernel
from mapsr_cli.inference import Settings, Upscaler
from mapsr_cli.inference.backbone import load_backbone
from mapsr_cli.inference.comparison import difference
from mapsr_cli.inference.verification import FALLBACK_KERNEL, FALLBACK_SCALE
from mapsr_cli.operators import Consistency, Kernel, consistency, downsampling, make_kernel, to_levels
from mapsr_cli.zoo import Model, find_model, load_model

FOLDER, BACKBONE, TRUNK = "dir:", "backbone:", "trunk:"


@dataclass(frozen=True, eq=False)
class Estimate:
    """One HR estimate ŷ."""

    levels: Tensor
    """[3, s·h, s·w] whole levels 0 … 255, as a lossless file holds them."""
    mse_float: float
    """Mean of (x − A ŷ)² before rounding, on a 0 … 1 scale; where there is only a file, of its levels."""
    consistency: Consistency
    """Of the levels."""
    seconds: float | None
    """Network and projection; None where somebody else computed it."""


class CandidateModel(typing.Protocol):
    """What can be evaluated."""

    def __call__(self, lr: Tensor, name: str) -> Estimate:
        """Estimate ŷ from LR levels [3, h, w] of the image with that name. Raises MapsrError where there is none."""


@typing.runtime_checkable
class SamplingCandidate(typing.Protocol):
    """A stochastic one: the diversity of its samples is evaluated too."""

    def samples(self, lr: Tensor, n: int) -> Tensor:
        """Draw n samples [n, 3, s·h, s·w] in whole levels 0 … 255, all different, from LR levels [3, h, w]."""


def interpolate(lr: Tensor, like: Kernel) -> Tensor:
    """Enlarge LR [..., h, w] by the interpolation whose kernel A has: `bicubic` or `lanczos3`, as MATLAB's `imresize`.

    The weight of LR pixel i in HR pixel j depends on their distance alone, as in A: so the interpolation is Aᵀ, each
    row divided by its sum.
    """
    op = downsampling(like, like.hr_size((lr.shape[-2], lr.shape[-1])), lr.dtype)
    return op.adjoint(lr) / op.adjoint(torch.ones_like(lr))


def minimum_norm(lr: Tensor, kernel: Kernel) -> Tensor:
    """Compute A⁺x = Π 0, [..., h, w] → [..., s·h, s·w]."""
    return downsampling(kernel, kernel.hr_size((lr.shape[-2], lr.shape[-1])), lr.dtype).pinv(lr)


BASELINES: dict[str, Callable[[Tensor, Kernel], Tensor]] = {
    "bicubic": lambda lr, kernel: interpolate(lr, make_kernel("bicubic", kernel.scale)),
    "lanczos": lambda lr, kernel: interpolate(lr, make_kernel("lanczos3", kernel.scale)),
    "pinv": minimum_norm,
}


def _judged(y: Tensor, lr: Tensor, kernel: Kernel, seconds: float | None) -> Estimate:
    """Round y [3, H, W] in levels and measure its consistency with LR, before and after."""
    levels, x = to_levels(y, PEAK), lr.double()
    op = downsampling(kernel, (y.shape[-2], y.shape[-1]), torch.float64)
    mse = ((op.down(y.double()) - x) / PEAK).square().mean().item()
    return Estimate(levels, mse, consistency(levels.double(), x, op, PEAK), seconds)


@dataclass(frozen=True)
class Baseline:
    """A row of BASELINES."""

    enlarge: Callable[[Tensor, Kernel], Tensor]
    kernel: Kernel

    def __call__(self, lr: Tensor, name: str) -> Estimate:
        """Enlarge."""
        began = time.perf_counter()
        y = self.enlarge(lr, self.kernel)
        return _judged(y, lr, self.kernel, time.perf_counter() - began)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint, as `mapsr upscale` runs it."""

    upscaler: Upscaler

    def __call__(self, lr: Tensor, name: str) -> Estimate:
        """Run network, projection and round trip."""
        levels, report = self.upscaler.levels.upscale(lr, PEAK)
        off = difference(levels, lr, self.upscaler.kernel, PEAK)
        return Estimate(levels.float(), report.mse_float, Consistency.of(off, PEAK), report.total)


class StochasticCheckpoint(Checkpoint):
    """One that takes noise: its estimate is the first sample."""

    def samples(self, lr: Tensor, n: int) -> Tensor:
        """Draw the first n samples of the settings' seed."""
        return torch.stack([self.upscaler.levels.upscale(lr, PEAK, sample=k)[0].float() for k in range(1, n + 1)])


class Folder:
    """Finished files, matched to the HR images by stem (`baby.png`, or `baby_x4.png` as `mapsr upscale` names them)."""

    def __init__(self, path: Path, kernel: Kernel) -> None:
        if not os.path.isdir(path):  # noqa: PTH112 (False, not an error, if unreadable)
            raise UsageError(f"{FOLDER}{path}: no such folder")
        self.path, self.kernel = path, kernel
        self.files = by_name(images_in(path), suffix=f"_x{kernel.scale}")

    def __call__(self, lr: Tensor, name: str) -> Estimate:
        """Read the file of that name. Raises ImageError if there is none, or its size is not LR's times the scale."""
        if name not in self.files:
            raise ImageError(f"{self.path} has no file '{name}'", "outputs are matched by name, without the suffix")
        levels = read_levels(self.files[name])
        height, width = self.kernel.hr_size((lr.shape[-2], lr.shape[-1]))
        if levels.shape[-2:] != (height, width):
            size = f"{levels.shape[-1]}×{levels.shape[-2]}"
            raise ImageError(
                f"{self.files[name]} is {size}, not {width}×{height}",
                f"an output is as large as its HR image, cropped to multiples of {self.kernel.scale}",
            )
        return _judged(levels, lr, self.kernel, None)


def _choose_kernel(models: Sequence[Model], name: str | None, sigma: float | None, scale: int | None) -> Kernel:
    """Choose A: as the call names it; else the models' own, if they agree; else bicubic ×4."""
    own = {model.kernel for model in models}
    scales = {kernel.scale for kernel in own}
    if len(scales) > 1:
        raise UsageError(f"models of different scales ({', '.join(f'×{s}' for s in sorted(scales))})", "one at a time")
    if name is None and len(own) > 1:
        theirs = ", ".join(f"{model.card.name}: {model.kernel.describe()}" for model in models)
        raise UsageError(f"models for different kernels ({theirs})", "--kernel chooses one for all")
    if own and name is None and sigma is None and scale in (None, *scales):
        return own.pop()
    default_name = models[0].kernel.name if own else FALLBACK_KERNEL
    default_scale = scales.pop() if scales else FALLBACK_SCALE
    return find_kernel(name or default_name, scale or default_scale, sigma)


def make_candidates(
    names: Sequence[str],
    kernel: str | None = None,
    sigma: float | None = None,
    scale: int | None = None,
    *,
    device: str = "cpu",
    precision: str = "fp32",
) -> tuple[Kernel, dict[str, CandidateModel]]:
    """Make A and the candidate of each `--model`: a row of BASELINES, `dir:FOLDER`, a checkpoint, a foreign network.

    A checkpoint that was trained without a projection is evaluated without one; `trunk:FILE` is somebody else's network
    as it is, `backbone:FILE` with projection and round trip, both in float32. Raises CheckpointError for models that
    are not there, UsageError where they do not fit together.
    """
    checkpoints = [name for name in names if name not in BASELINES and not name.startswith(FOLDER)]
    models = {name: _load(name) for name in checkpoints}
    a = _choose_kernel(list(models.values()), kernel, sigma, scale)
    return a, {name: _make_candidate(name, models.get(name), a, device, precision) for name in names}


def _load(name: str) -> Model:
    for prefix in (BACKBONE, TRUNK):
        if name.startswith(prefix):
            return load_backbone(Path(name.removeprefix(prefix)))
    return load_model(find_model(name))


def _make_candidate(name: str, model: Model | None, kernel: Kernel, device: str, precision: str) -> CandidateModel:
    if name in BASELINES:
        return Baseline(BASELINES[name], kernel)
    if model is None:
        return Folder(Path(name.removeprefix(FOLDER)), kernel)
    if name.startswith((BACKBONE, TRUNK)):
        precision = "fp32"
    return as_upscaled(model, kernel, device, precision, projected=name.startswith(BACKBONE))


def as_upscaled(
    model: Model, kernel: Kernel, device: str = "cpu", precision: str = "fp32", projected: bool = False
) -> Checkpoint:
    """Evaluate a model as `mapsr upscale` runs it; without Π if it was trained without, unless `projected`."""
    settings = Settings(consistency="bits" if model.constraint.projects or projected else "none")
    kind = StochasticCheckpoint if model.noise_dim else Checkpoint
    return kind(Upscaler(model, settings, kernel, device=device, precision=precision))

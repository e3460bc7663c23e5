"""Whatever can be evaluated: checkpoints, three baselines, and a folder of someone else's outputs."""

import os
import time
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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
from mapsr_cli.operators import (
    AnyKernel,
    Consistency,
    Kernel,
    RatioKernel,
    ResizingKernel,
    consistency,
    downsampling,
    kernel_at,
    make_kernel,
    to_levels,
)
from mapsr_cli.zoo import ErrorBars, Model, find_model, load_model

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
    samples: Tensor | None = None
    """[S, 3, s·h, s·w] of a stochastic model, in whole levels."""


class CandidateModel(typing.Protocol):
    """What can be evaluated."""

    def __call__(self, lr: Tensor, name: str, kernel: AnyKernel | None = None) -> Estimate:
        """Estimate ŷ from LR levels [3, h, w] of the image with that name, made by `kernel` (default: its own).

        Raises MapsrError where there is none.
        """


@typing.runtime_checkable
class SamplingCandidate(typing.Protocol):
    """A stochastic one: the diversity of its samples is evaluated too."""

    def samples(self, lr: Tensor, n: int, kernel: AnyKernel | None = None) -> Tensor:
        """Draw n samples [n, 3, s·h, s·w] in whole levels 0 … 255, all different, from LR levels [3, h, w]."""


def interpolate(lr: Tensor, like: AnyKernel) -> Tensor:
    """Enlarge LR [..., h, w] by the interpolation whose kernel A has: `bicubic` or `lanczos3`, as MATLAB's `imresize`.

    The weight of LR pixel i in HR pixel j depends on their distance alone, as in A: so the interpolation is Aᵀ, each
    row divided by its sum.
    """
    op = downsampling(like, like.hr_size((lr.shape[-2], lr.shape[-1])), lr.dtype)
    return op.adjoint(lr) / op.adjoint(torch.ones_like(lr))


def minimum_norm(lr: Tensor, kernel: AnyKernel) -> Tensor:
    """Compute A⁺x = Π 0, [..., h, w] → [..., s·h, s·w]."""
    return downsampling(kernel, kernel.hr_size((lr.shape[-2], lr.shape[-1])), lr.dtype).pinv(lr)


def _of_sizes(name: str, kernel: AnyKernel) -> AnyKernel:
    """Return the kernel of that name between the same sizes as `kernel`."""
    if isinstance(kernel, Kernel):
        return make_kernel(name, kernel.scale)
    return ResizingKernel(name, kernel.small, kernel.large)


BASELINES: dict[str, Callable[[Tensor, AnyKernel], Tensor]] = {
    "bicubic": lambda lr, kernel: interpolate(lr, _of_sizes("bicubic", kernel)),
    "lanczos": lambda lr, kernel: interpolate(lr, _of_sizes("lanczos3", kernel)),
    "pinv": minimum_norm,
}


def _judged(y: Tensor, lr: Tensor, kernel: AnyKernel, seconds: float | None) -> Estimate:
    """Round y [3, H, W] in levels and measure its consistency with LR, before and after."""
    levels, x = to_levels(y, PEAK), lr.double()
    op = downsampling(kernel, (y.shape[-2], y.shape[-1]), torch.float64)
    mse = ((op.down(y.double()) - x) / PEAK).square().mean().item()
    return Estimate(levels, mse, consistency(levels.double(), x, op, PEAK), seconds)


@dataclass(frozen=True)
class Baseline:
    """A row of BASELINES."""

    enlarge: Callable[[Tensor, AnyKernel], Tensor]
    kernel: Kernel | RatioKernel

    def __call__(self, lr: Tensor, name: str, kernel: AnyKernel | None = None) -> Estimate:
        """Enlarge."""
        began, a = time.perf_counter(), kernel or _own(self.kernel)
        y = self.enlarge(lr, a)
        return _judged(y, lr, a, time.perf_counter() - began)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint, as `mapsr upscale` runs it."""

    upscaler: Upscaler

    @property
    def error_bars(self) -> ErrorBars | None:
        """Its calibration, if it has one."""
        return self.upscaler.model.card.error_bars

    def __call__(self, lr: Tensor, name: str, kernel: AnyKernel | None = None) -> Estimate:
        """Run network, projection and round trip."""
        levels, report = self.upscaler.levels.upscale(lr, PEAK, kernel=kernel)
        off = difference(levels, lr, kernel or self.upscaler.kernel, PEAK)
        return Estimate(levels.float(), report.mse_float, Consistency.of(off, PEAK), report.total)


class StochasticCheckpoint(Checkpoint):
    """One that takes noise: its estimate is the first sample."""

    def samples(self, lr: Tensor, n: int, kernel: AnyKernel | None = None) -> Tensor:
        """Draw the first n samples of the settings' seed."""
        upscale = partial(self.upscaler.levels.upscale, lr, PEAK, kernel=kernel)
        return torch.stack([upscale(sample=k)[0].float() for k in range(1, n + 1)])


class Folder:
    """Finished files, matched to the HR images by stem (`baby.png`, or `baby_x4.png` as `mapsr upscale` names them)."""

    def __init__(self, path: Path, kernel: Kernel | RatioKernel) -> None:
        if not os.path.isdir(path):  # noqa: PTH112 (False, not an error, if unreadable)
            raise UsageError(f"{FOLDER}{path}: no such folder")
        self.path, self.kernel = path, kernel
        self.files = by_name(images_in(path), suffix=f"_x{kernel.scale:g}")

    def __call__(self, lr: Tensor, name: str, kernel: AnyKernel | None = None) -> Estimate:
        """Read the file of that name. Raises ImageError if there is none, or its size is not LR's times the scale."""
        if name not in self.files:
            raise ImageError(f"{self.path} has no file '{name}'", "outputs are matched by name, without the suffix")
        levels = read_levels(self.files[name])
        a = kernel or _own(self.kernel)
        height, width = a.hr_size((lr.shape[-2], lr.shape[-1]))
        if levels.shape[-2:] != (height, width):
            size = f"{levels.shape[-1]}×{levels.shape[-2]}"
            raise ImageError(
                f"{self.files[name]} is {size}, not {width}×{height}",
                "an output is as large as its HR image, cropped to multiples of a whole scale",
            )
        return _judged(levels, lr, a, None)


def _own(kernel: Kernel | RatioKernel) -> Kernel:
    """Return a kernel that takes every size. Raises UsageError for a ratio's: each image has its own there."""
    if isinstance(kernel, RatioKernel):
        raise UsageError(f"{kernel.describe()} needs the size of the image")
    return kernel


def _choose_kernel(models: Sequence[Model], name: str | None, sigma: float | None) -> Kernel:
    """Choose A at the models' factor: as the call names it; else their own, if they agree; else bicubic ×4."""
    own = {model.kernel for model in models}
    scales = {kernel.scale for kernel in own}
    if len(scales) > 1:
        raise UsageError(f"models of different scales ({', '.join(f'×{s}' for s in sorted(scales))})", "one at a time")
    if name is None and len(own) > 1:
        theirs = ", ".join(f"{model.card.name}: {model.kernel.describe()}" for model in models)
        raise UsageError(f"models for different kernels ({theirs})", "--kernel chooses one for all")
    if own and name is None and sigma is None:
        return own.pop()
    default_name = models[0].kernel.name if own else FALLBACK_KERNEL
    default_scale = scales.pop() if scales else FALLBACK_SCALE
    return find_kernel(name or default_name, default_scale, sigma)


def make_candidates(
    names: Sequence[str],
    kernel: str | None = None,
    sigma: float | None = None,
    scale: float | None = None,
    *,
    device: str = "cpu",
    precision: str = "fp32",
) -> tuple[Kernel | RatioKernel, dict[str, CandidateModel]]:
    """Make A and the candidate of each `--model`: a row of BASELINES, `dir:FOLDER`, a checkpoint, a foreign network.

    A checkpoint that was trained without a projection is evaluated without one; `trunk:FILE` is somebody else's network
    as it is, `backbone:FILE` with projection and round trip, both in float32. At a `scale` other than theirs models
    upscale as `mapsr upscale --scale` does. Raises CheckpointError for models that are not there, UsageError where they
    do not fit together.
    """
    checkpoints = [name for name in names if name not in BASELINES and not name.startswith(FOLDER)]
    models = {name: _load(name) for name in checkpoints}
    own = _choose_kernel(list(models.values()), kernel, sigma)
    a = own if scale is None else kernel_at(own, scale)
    baseline = partial(_make_baseline, kernel=a)
    return a, {
        name: _make_candidate(name, models[name], own, device, precision) if name in models else baseline(name)
        for name in names
    }


def _load(name: str) -> Model:
    for prefix in (BACKBONE, TRUNK):
        if name.startswith(prefix):
            return load_backbone(Path(name.removeprefix(prefix)))
    return load_model(find_model(name))


def _make_baseline(name: str, kernel: Kernel | RatioKernel) -> CandidateModel:
    if name in BASELINES:
        return Baseline(BASELINES[name], kernel)
    return Folder(Path(name.removeprefix(FOLDER)), kernel)


def _make_candidate(name: str, model: Model, kernel: Kernel, device: str, precision: str) -> CandidateModel:
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

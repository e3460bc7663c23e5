"""What a training run measures as it goes, on a small folder of HR images."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor, nn

from mapsr_cli.errors import ImageError, MapsrError
from mapsr_cli.evaluation.candidates import BASELINES, Baseline, Estimate, as_upscaled
from mapsr_cli.evaluation.metrics import mean_psnr, psnr, require_torchmetrics
from mapsr_cli.evaluation.perceptual import Measure
from mapsr_cli.evaluation.protocol import PEAK, PROTOCOLS, Pair, pairs
from mapsr_cli.evaluation.texture import relative_energy
from mapsr_cli.evaluation.visual import ssimulacra2_measure
from mapsr_cli.networks import Density, Estimator, bits_per_dim, told_of
from mapsr_cli.operators import Kernel, to_levels
from mapsr_cli.operators.border import reflected
from mapsr_cli.training.data import DataConfig
from mapsr_cli.training.data.degradation import Degraded, degraded, evidence_of
from mapsr_cli.zoo import Model, model_of

NO_MEASURES: Mapping[str, Measure] = MappingProxyType({})
TILES = 4
"""Rows of a sample grid."""


def measures_here(scale: int) -> dict[str, Measure]:
    """Make the measures beside PSNR that this machine has packages for, by name; see `mapsr evaluate`.

    `ssim_y` of luma without a border of `scale` pixels, `gradient_energy` as a share of the truth's, `ssimulacra2`.
    """
    made: dict[str, Measure] = {"gradient_energy": relative_energy}
    with suppress(MapsrError):
        require_torchmetrics()
        made["ssim_y"] = partial(_ssim_y, scale)
    with suppress(MapsrError):
        made["ssimulacra2"] = ssimulacra2_measure()
    return made


def _ssim_y(scale: int, y: Tensor, truth: Tensor) -> float | None:
    """Compute SSIM as the protocol `y` does; None where an image is too small for it."""
    with suppress(ImageError):
        return PROTOCOLS["y"].compare(y, truth, scale)[1]
    return None


def means(images: Sequence[tuple[Tensor, Pair]], measures: Mapping[str, Measure]) -> dict[str, float]:
    """Average measures of whole levels [3, H, W] over the images that have one; those that none has are left out."""
    found = {
        name: [value for levels, pair in images if (value := measure(levels / PEAK, pair.hr / PEAK)) is not None]
        for name, measure in measures.items()
    }
    return {name: math.fsum(values) / len(values) for name, values in found.items() if values}


def quality(
    model: Model, pairs: Iterable[Pair], device: str = "cpu", measures: Mapping[str, Measure] = NO_MEASURES
) -> dict[str, float]:
    """Measure what `mapsr evaluate --precision fp32` says of a model, whatever A⁺ it was trained with.

    Returns means over images: `psnr_y` of the saved levels in dB (left out where it is infinite for all images),
    `consistency_mse`, MSE(x, Aŷ) before rounding, and `measures` of the saved levels.
    """
    estimator = as_upscaled(model, model.kernel, device)
    scores = [(estimator(pair.lr, pair.name), pair) for pair in pairs]
    decibels = _mean_psnr(scores)
    return {
        **({"psnr_y": decibels} if math.isfinite(decibels) else {}),
        "consistency_mse": sum(estimate.mse_float for estimate, _ in scores) / len(scores),
        **means([(estimate.levels, pair) for estimate, pair in scores], measures),
    }


def _mean_psnr(scores: Sequence[tuple[Estimate, Pair]]) -> float:
    values = [PROTOCOLS["y"].psnr(estimate.levels / PEAK, pair.hr / PEAK, pair.scale) for estimate, pair in scores]
    return mean_psnr(values)


class Validation:
    """A folder of HR images, read once, with their LR twins (8 bits, as files have them)."""

    def __init__(self, folder: Path, kernel: Kernel, patch: tuple[int, int], data: DataConfig | None = None) -> None:
        """Read the images; `patch`: (H, W) of crops for grids and priors. Raises ImageError without images.

        The twins are degraded as `data`, a training's, says: each in a way of its own, always the same.
        """
        self.name, self.kernel, self.patch = folder.resolve().name, kernel, patch
        self.measures = measures_here(kernel.scale)
        """Besides PSNR, and MSE(x, Aŷ) of images that are not degraded."""
        self.pairs = list(pairs(folder, kernel)) if os.path.isdir(folder) else []  # noqa: PTH112 (False, not an error, if unreadable)
        if not self.pairs:
            raise ImageError(f"{folder}: no images to validate on", "--valid takes a folder of HR images")
        self.degraded: list[Degraded] = []
        """Of each image, where LR images are degraded."""
        if data is not None and data.degrades:
            rngs = (np.random.default_rng(number) for number in range(len(self.pairs)))
            self.degraded = [degraded(p.lr.numpy(), data, rng) for p, rng in zip(self.pairs, rngs, strict=True)]
            levels = [torch.from_numpy(row.levels.astype(np.float32)) for row in self.degraded]
            self.pairs = [replace(pair, lr=lr) for pair, lr in zip(self.pairs, levels, strict=True)]

    def measure(self, estimator: nn.Module) -> Mapping[str, float]:
        """Measure an estimator as `quality` does, on its device; of degraded images, its PSNR as it was trained."""
        assert isinstance(estimator, Estimator)
        if self.degraded:
            return self._measure_degraded(estimator)
        device = str(next(estimator.parameters()).device)
        return quality(model_of(estimator, "this run"), self.pairs, device, self.measures)

    @torch.inference_mode()
    def _measure_degraded(self, estimator: Estimator) -> dict[str, float]:
        """Measure whole levels; a network that is told something has the evidence, too."""
        device, images = next(estimator.parameters()).device, []
        for row, pair in zip(self.degraded, self.pairs, strict=True):
            x, evidence = evidence_of([row])
            told = evidence.to(device) if told_of(estimator.generator) else None
            levels = to_levels(PEAK * estimator(x.to(device), evidence=told)[0].cpu(), PEAK)
            images.append((levels, pair))
        values = [PROTOCOLS["y"].psnr(levels / PEAK, pair.hr / PEAK, pair.scale) for levels, pair in images]
        return {"psnr_y": mean_psnr(values), **means(images, self.measures)}

    def bicubic(self) -> float:
        """Measure what bicubic enlargement has: its mean Y-PSNR in dB."""
        enlarge = Baseline(BASELINES["bicubic"], self.kernel)
        return _mean_psnr([(enlarge(pair.lr, pair.name), pair) for pair in self.pairs])

    def measure_prior(self, prior: nn.Module, level: float) -> Mapping[str, float]:
        """Score a prior on centre patches: a density's log₂ p per dimension, a denoiser's PSNR in dB at σ = `level`."""
        device = next(prior.parameters()).device
        y = torch.stack([hr for _, hr in self.tiles(len(self.pairs))]).to(device)
        with torch.inference_mode():
            if isinstance(prior, Density):
                return {"bits": bits_per_dim(prior(y), y[0].numel()).mean().item()}
            noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(0)).to(device)
            return {"psnr": psnr(prior(y + level * noise, level), y)}

    def tiles(self, count: int = TILES) -> list[tuple[Tensor, Tensor]]:
        """Crop (LR, HR) centre patches of the first `count` images for a sample grid; smaller images are reflected."""
        height, width = self.kernel.lr_size(self.kernel.whole_size(self.patch))
        lr_size = max(height, 1), max(width, 1)
        hr_size = self.kernel.hr_size(lr_size)
        shown = self.pairs[:count]
        return [(_centre(pair.lr / PEAK, *lr_size), _centre(pair.hr / PEAK, *hr_size)) for pair in shown]


def _centre(image: Tensor, height: int, width: int) -> Tensor:
    """Crop [C, height, width] from the middle."""
    rows, columns = (_middle(n, m) for n, m in zip(image.shape[-2:], (height, width), strict=True))
    return image[:, rows][:, :, columns]


def _middle(n: int, wanted: int) -> Tensor:
    """Index the middle `wanted` pixels of an axis of n; a shorter one is continued as A's border is, by reflection."""
    return reflected(torch.arange(wanted) + max(n - wanted, 0) // 2, n)

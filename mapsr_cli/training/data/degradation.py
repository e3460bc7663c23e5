"""Degraded LR images: blur, noise and JPEG compression of A y, in this order, on the fly and seeded per sample."""

import io
import math
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mapsr_cli.criteria.base import Patches
from mapsr_cli.imaging.coefficients import read_sound
from mapsr_cli.operators import (
    EachOwn,
    Evidence,
    Kernel,
    NoiseCube,
    Point,
    downsampling,
    jpeg_cells,
    to_levels,
)
from mapsr_cli.training.data.config import DataConfig, Draw, RankShare
from mapsr_cli.training.data.decoding import ByteLevels, image_of, levels
from mapsr_cli.training.data.stream import BatchJob, PatchSource

PEAK = 255
CHROMA = {"4:4:4": 0.25, "4:2:2": 0.25, "4:2:0": 0.5}
"""How often each chroma grid is drawn: most cameras halve both axes."""
LEAN = 1.5
"""High qualities are drawn more often, as they are saved more often: half lie in the upper 35 % of the range."""
SPREAD = 1.25
"""How much larger an image may have been when it was compressed the first time, of two."""
BLOCK = 8
LEAST_SIGMA = 0.5
"""σ of noise in levels below which nobody can tell it from rounding: no evidence of its own."""


@dataclass(frozen=True)
class Degraded:
    """An LR image as a file has it, and how it came to be."""

    levels: ByteLevels
    """[C, h, w]."""
    sigma: float = 0.0
    """Of its noise, in levels."""
    jpeg: bytes | None = None
    """The file, of a JPEG."""


def degraded(x: NDArray[np.float32], config: DataConfig, rng: np.random.Generator) -> Degraded:
    """Degrade an LR image [C, h, w] in levels 0 … 255 as `config` says, into whole levels of the same shape."""
    if rng.random() < config.clean:
        return Degraded(_whole(x))
    if config.blur is not None:
        x = _blurred(x, rng.uniform(*config.blur))
    noisy, sigma = config.noisy is None or rng.random() < config.noisy, 0.0
    if config.noise is not None and noisy:
        sigma = float(rng.uniform(*config.noise))
        x = x + sigma * rng.standard_normal(x.shape, np.float32)
    if config.jpeg is None or (noisy and config.noisy is not None):
        return Degraded(_whole(x), sigma)
    pixels = _whole(x)
    if config.twice and rng.random() < config.twice:
        pixels = _compressed_before(pixels, config, rng)
    jpeg = _jpeg(pixels, config, rng)
    return Degraded(_decoded(jpeg), sigma, jpeg)


def _whole(x: NDArray[np.float32]) -> ByteLevels:
    return x.round().clip(0, PEAK).astype(np.uint8)


def _blurred(x: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Convolve [C, h, w] with a sampled Gaussian, mirrored at the borders."""
    radius = math.ceil(4 * sigma)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-6)) ** 2)
    for axis in (1, 2):
        width = [(radius, radius) if a == axis else (0, 0) for a in range(3)]
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, width, mode="symmetric"), len(taps), axis)
        x = (windows @ (taps / taps.sum())).astype(np.float32)
    return x


def _jpeg(pixels: ByteLevels, config: DataConfig, rng: np.random.Generator) -> bytes:
    """Encode pixels [C, h, w] of 1 or 3 colours, at a random quality and chroma grid."""
    assert config.jpeg is not None
    low, high = config.jpeg
    quality = round(high - (high - low) * rng.random() ** LEAN)
    chroma = rng.choice(list(CHROMA), p=list(CHROMA.values()))
    stream = io.BytesIO()
    grid = {} if len(pixels) == 1 else {"subsampling": str(chroma)}
    image_of(pixels).save(stream, "JPEG", quality=quality, **grid)
    return stream.getvalue()


def _decoded(jpeg: bytes) -> ByteLevels:
    return levels(Image.open(io.BytesIO(jpeg)))


def _compressed_before(pixels: ByteLevels, config: DataConfig, rng: np.random.Generator) -> ByteLevels:
    """Compress [C, h, w] such that its blocks lie elsewhere than a second compression's: it was cropped, or reduced."""
    height, width = pixels.shape[1:]
    if rng.random() < 0.5:
        top, left = rng.integers(BLOCK, size=2)
        padded = np.pad(pixels, [(0, 0), (top, 0), (left, 0)], mode="symmetric")
        return _decoded(_jpeg(padded, config, rng))[:, top:, left:]
    factor = rng.uniform(1.0, SPREAD)
    larger = image_of(pixels).resize((round(factor * width), round(factor * height)), Image.Resampling.BICUBIC)
    decoded = image_of(_decoded(_jpeg(levels(larger), config, rng)))
    return levels(decoded.resize((width, height), Image.Resampling.BICUBIC))


def evidence_of(rows: Sequence[Degraded]) -> tuple[Tensor, Evidence]:
    """Return LR images [N, C, h, w] in [0, 1], and what their files say of A y.

    A JPEG has its cells, an image with noise alone ±3 σ; of others, A y = x. Raises ImageError without jpeglib.
    """
    x = torch.from_numpy(np.stack([row.levels for row in rows])).float() / PEAK
    kinds: dict[tuple[object, ...], list[int]] = {}
    parts: list[Evidence] = []
    chosen: list[int | list[int]] = []
    files = {n: read_sound(row.jpeg) for n, row in enumerate(rows) if row.jpeg is not None}
    for n, row in enumerate(rows):
        if n in files:
            kinds.setdefault((files[n].tables.grids,), []).append(n)
        elif row.sigma >= LEAST_SIGMA:
            parts.append(NoiseCube(x[n], row.sigma / PEAK, peak=1.0))
            chosen.append(n)
        else:
            kinds.setdefault((), []).append(n)
    for kind, group in kinds.items():
        alike = [files[n] for n in group] if kind else []
        if not alike:
            parts.append(Point(x[group]))
        else:
            stored = [torch.stack(planes) for planes in zip(*(file.stored for file in alike), strict=True)]
            tables = replace(alike[0].tables, steps=torch.stack([file.tables.steps for file in alike]))
            parts.append(jpeg_cells(x[group], stored, tables, peak=1.0))
        chosen.append(group)
    return x, EachOwn.of(parts, chosen)


class DegradedSource:
    """Another source's images, with degraded LR images of them. A source (see `stream.PatchSource`)."""

    def __init__(
        self, source: PatchSource, config: DataConfig, share: RankShare, kernel: Kernel, evidence: bool = False
    ) -> None:
        """Take A's `kernel`, and `source`'s own settings and share; `evidence`: whether batches have it."""
        self.ledger = source.ledger
        self._source, self._config, self._share, self._kernel = source, config, share, kernel
        self._evidence = evidence

    def jobs(self, start: int) -> Generator[BatchJob]:
        """Yield what makes batch `start`, `start` + 1, …: the degradations depend on the seed and the sample alone."""
        with closing(self._source.jobs(start)) as jobs:
            for batch, job in enumerate(jobs, start):
                yield partial(self._degrade, batch, job)

    def _degrade(self, batch: int, job: BatchJob) -> Patches:
        patches = job()
        x = self._levels(patches.to(torch.device("cpu")).y).numpy()
        rngs = (self._config.rng(Draw.DEGRADATION, number) for number in self._share.samples(batch))
        rows = [degraded(image, self._config, rng) for image, rng in zip(x, rngs, strict=True)]
        if not self._evidence:
            return replace(patches, x=torch.from_numpy(np.stack([row.levels for row in rows])))
        seen, evidence = evidence_of(rows)
        return replace(patches, x=seen, evidence=evidence)

    def _levels(self, y: Tensor) -> Tensor:
        """Compute A y [N, C, h, w] of y in [0, 1], in whole levels."""
        height, width = y.shape[-2:]
        return to_levels(downsampling(self._kernel, (height, width)).down(y) * PEAK, PEAK)

"""Degraded LR images: blur, noise and JPEG compression of A y, in this order, on the fly and seeded per sample."""

import io
import math
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mapsr_cli.criteria.base import Patches
from mapsr_cli.operators import Kernel, downsampling, to_levels
from mapsr_cli.training.data.config import DataConfig, Draw, RankShare
from mapsr_cli.training.data.decoding import ByteLevels
from mapsr_cli.training.data.stream import BatchJob, PatchSource

PEAK = 255
CHROMA = {"4:4:4": 0.25, "4:2:2": 0.25, "4:2:0": 0.5}
"""How often each chroma grid is drawn: most cameras halve both axes."""


def degraded(x: NDArray[np.float32], config: DataConfig, rng: np.random.Generator) -> ByteLevels:
    """Degrade an LR image [C, h, w] in levels 0 … 255 as `config` says; return whole levels of the same shape."""
    if rng.random() >= config.clean:
        if config.blur is not None:
            x = _blurred(x, rng.uniform(*config.blur))
        if config.noise is not None:
            x = x + rng.uniform(*config.noise) * rng.standard_normal(x.shape, np.float32)
        if config.jpeg is not None:
            quality = int(rng.integers(config.jpeg[0], config.jpeg[1], endpoint=True))
            return _through_jpeg(_whole(x), quality, str(rng.choice(list(CHROMA), p=list(CHROMA.values()))))
    return _whole(x)


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


def _through_jpeg(levels: ByteLevels, quality: int, chroma: str) -> ByteLevels:
    """Encode and decode levels [C, h, w] of 1 or 3 colours."""
    grey, stream = len(levels) == 1, io.BytesIO()
    image = Image.fromarray(levels[0] if grey else np.ascontiguousarray(levels.transpose(1, 2, 0)))
    image.save(stream, "JPEG", quality=quality, **({} if grey else {"subsampling": chroma}))
    pixels = np.asarray(Image.open(stream))
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


class DegradedSource:
    """Another source's images, with degraded LR images of them. A source (see `stream.PatchSource`)."""

    def __init__(self, source: PatchSource, config: DataConfig, share: RankShare, kernel: Kernel) -> None:
        """Take A's `kernel`, and `source`'s own settings and share."""
        self.ledger = source.ledger
        self._source, self._config, self._share, self._kernel = source, config, share, kernel

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
        return replace(patches, x=torch.from_numpy(np.stack(rows)))

    def _levels(self, y: Tensor) -> Tensor:
        """Compute A y [N, C, h, w] of y in [0, 1], in whole levels."""
        height, width = y.shape[-2:]
        return to_levels(downsampling(self._kernel, (height, width)).down(y) * PEAK, PEAK)

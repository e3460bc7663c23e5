"""Patches of decoded images: crop, size, orientation, colours."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from mapsr_cli.criteria.base import Patches
from mapsr_cli.training.data.config import DataConfig
from mapsr_cli.training.data.counts import Ledger
from mapsr_cli.training.data.decoding import ByteLevels, UnreadableError, WholeImage, crop, size_of
from mapsr_cli.training.data.orientation import Value

Candidate = tuple[str, Callable[[], WholeImage]]
"""An image's name, and how to decode it."""

LUMA = (0.299, 0.587, 0.114)
"""BT.601's share of red, green and blue."""


def too_small(size: tuple[int, int], patch: tuple[int, int]) -> bool:
    """Return whether an image of (H, W) lacks more than half of a patch: its padding would be mostly a copy of it."""
    return any(2 * n < p for n, p in zip(size, patch, strict=True))


def needs_padding(size: tuple[int, int], patch: tuple[int, int]) -> bool:
    """Return whether an image of (H, W) is smaller than a patch along a side."""
    return any(n < p for n, p in zip(size, patch, strict=True))


def random_patch(image: WholeImage, config: DataConfig, rng: np.random.Generator) -> ByteLevels:
    """Cut a patch, uint8 [C, *patch], with random place, size, orientation and colours, as `config` says.

    Along a side that is too short the image is mirrored as A's border is: half-sample symmetric.
    """
    (height, width), patch = size_of(image), config.patch
    wanted = _crop_size(patch, (height, width), config.shrink, rng) if config.shrink > 1 else patch
    rows, columns = min(height, wanted[0]), min(width, wanted[1])
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    pixels = crop(image, top, left, (rows, columns))
    if needs_padding((rows, columns), patch):
        pixels = np.pad(pixels, [(0, 0), (0, patch[0] - rows), (0, patch[1] - columns)], mode="symmetric")
    pixels = _resized(pixels, patch) if wanted != patch else pixels
    pixels = turned(pixels, config.upright, rng) if config.augment else pixels
    pixels = _desaturated(pixels, config.desaturate, rng) if config.desaturate else pixels
    pixels = _gamma_corrected(pixels, config.gamma, rng) if config.gamma > 1 else pixels
    pixels = _contrasted(pixels, config.contrast, rng) if config.contrast > 1 else pixels
    pixels = _tinted(pixels, config.tint, rng) if config.tint else pixels
    return _grained(pixels, config.grain, rng) if config.grain else pixels


def _crop_size(
    patch: tuple[int, int], size: tuple[int, int], shrink: float, rng: np.random.Generator
) -> tuple[int, int]:
    """Draw the size of a crop that is downscaled to a patch: by at most `shrink`, and as the image's size allows."""
    room = min(n / p for n, p in zip(size, patch, strict=True))
    factor = max(min(shrink, room), 1.0) ** rng.random()
    return round(patch[0] * factor), round(patch[1] * factor)


def _resized(pixels: ByteLevels, size: tuple[int, int]) -> ByteLevels:
    """Downscale [C, H, W] by Pillow's bicubic filter, which is antialiased."""
    planes = [Image.fromarray(plane).resize(size[::-1], Image.Resampling.BICUBIC) for plane in pixels]
    return np.stack([np.asarray(plane) for plane in planes])


def turned(pixels: NDArray[Value], upright: bool, rng: np.random.Generator) -> NDArray[Value]:
    """Turn [C, H, W] to one of eight random orientations (four if not square); if `upright`, one of two."""
    upside_down, mirrored, transposed = rng.random(3) < (0.5 * np.array([not upright, True, not upright]))
    if upside_down:
        pixels = pixels[:, ::-1]
    if mirrored:
        pixels = pixels[:, :, ::-1]
    return pixels.transpose(0, 2, 1) if transposed and pixels.shape[1] == pixels.shape[2] else pixels


def _desaturated(pixels: ByteLevels, desaturate: float, rng: np.random.Generator) -> ByteLevels:
    """Mix each colour with luma, by a random share from 0 to `desaturate`."""
    grey = np.tensordot(LUMA, pixels, 1) if len(pixels) == 3 else pixels[0]
    return (pixels + desaturate * rng.random() * (grey - pixels)).round().astype(np.uint8)


def _gamma_corrected(pixels: ByteLevels, gamma: float, rng: np.random.Generator) -> ByteLevels:
    """Raise every level, as a share of 255, to a power γ, log-uniform from 1/gamma (brighter) to gamma (darker)."""
    table = 255 * np.linspace(0.0, 1.0, 256) ** float(gamma ** rng.uniform(-1, 1))
    return table.round().astype(np.uint8)[pixels]


def _contrasted(pixels: ByteLevels, contrast: float, rng: np.random.Generator) -> ByteLevels:
    """Multiply differences from each colour's mean by a log-uniform factor from 1 to `contrast`, and clip."""
    mean = pixels.mean(axis=(1, 2), keepdims=True)
    steeper: ByteLevels = (mean + contrast ** rng.random() * (pixels - mean)).round().clip(0, 255).astype(np.uint8)
    return steeper


def _grained(pixels: ByteLevels, grain: float, rng: np.random.Generator) -> ByteLevels:
    """Add noise of a random standard deviation from 0 to `grain` levels, the same in all colours, and clip.

    It is softened by [a, 1, a] along both axes, a uniform from 0 to ½, as a camera's and a film's grain is.
    """
    sigma, a = grain * rng.random(), 0.5 * rng.random()
    noise = rng.standard_normal((pixels.shape[1] + 2, pixels.shape[2] + 2), np.float32)
    noise = noise[1:-1] + a * (noise[:-2] + noise[2:])
    noise = noise[:, 1:-1] + a * (noise[:, :-2] + noise[:, 2:])
    grained: ByteLevels = (pixels + sigma / (1 + 2 * a * a) * noise).round().clip(0, 255).astype(np.uint8)
    return grained


def _tinted(pixels: ByteLevels, tint: float, rng: np.random.Generator) -> ByteLevels:
    """Map levels 0 … 255 of each colour to low … high, which leave up to `tint` of the range at each end."""
    ends = np.array([[0.0], [255.0]]) + np.array([[255.0], [-255.0]]) * tint * rng.random((2, len(pixels)))
    return np.stack(
        [np.linspace(low, high, 256).round().astype(np.uint8)[p] for p, low, high in zip(pixels, *ends, strict=True)]
    )


def stacked(patches: Sequence[ByteLevels]) -> Patches:
    """Make a batch, uint8 [N, C, H, W], contiguous whatever the patches' strides."""
    return Patches(torch.from_numpy(np.stack(patches, out=np.empty((len(patches), *patches[0].shape), np.uint8))))


def first_usable(
    candidates: Iterable[Candidate], patch: tuple[int, int], ledger: Ledger
) -> tuple[str, WholeImage] | None:
    """Return (name, content) of the first image that can be decoded and is large enough; the ledger notes others."""
    for name, load in candidates:
        if ledger.rejected(name):
            continue
        try:
            image = load()
        except UnreadableError:
            ledger.corrupt.add(name)
            continue
        if too_small(size_of(image), patch):
            ledger.small.add(name)
            continue
        if needs_padding(size_of(image), patch):
            ledger.padded.add(name)
        return name, image
    return None

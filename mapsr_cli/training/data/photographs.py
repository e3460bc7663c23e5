"""Photographs, decoded once and kept in memory, served as random HR patches."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mapsr_cli.errors import ImageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


class Photographs:
    """All colour images under a folder, as uint8 arrays; those smaller than a patch or unreadable are counted."""

    def __init__(self, folder: Path, patch: int) -> None:
        self.patch, self.unreadable, self.small = patch, 0, 0
        self.images: list[NDArray[np.uint8]] = []
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
            try:
                with Image.open(path) as image:
                    pixels = np.asarray(image.convert("RGB"))
            except (OSError, SyntaxError, ValueError):
                self.unreadable += 1
                continue
            if min(pixels.shape[:2]) < patch:
                self.small += 1
            else:
                self.images.append(pixels)
        if not self.images:
            raise ImageError(f"{folder}: no image of at least {patch}×{patch} pixels", "see --data and --patch")
        # Large images hold more that is new, but less so than their area says.
        area = np.array([image.shape[0] * image.shape[1] for image in self.images], dtype=np.float64) ** 0.75
        self.weights = area / area.sum()

    def batch(self, rng: np.random.Generator, size: int) -> Tensor:
        """[size, 3, patch, patch] in [0, 1]: random crops, flipped and transposed at random."""
        chosen = rng.choice(len(self.images), size, p=self.weights)
        patches = [_random_patch(self.images[i], self.patch, rng) for i in chosen]
        return _to_tensor(patches)


def _random_patch(image: NDArray[np.uint8], patch: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    top = rng.integers(image.shape[0] - patch + 1)
    left = rng.integers(image.shape[1] - patch + 1)
    crop = image[top : top + patch, left : left + patch]
    if rng.random() < 0.5:
        crop = crop[::-1]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    return crop.transpose(1, 0, 2) if rng.random() < 0.5 else crop


def _to_tensor(patches: Sequence[NDArray[np.uint8]]) -> Tensor:
    return torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2).float().div_(255)

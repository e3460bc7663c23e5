"""Small pictures that look enough like photographs: smooth, textured, and saturated in places."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from mapsr_cli.operators import Kernel, downsampling, to_levels

Image.init()
HAS_AVIF = "AVIF" in Image.SAVE
"""Whether this Pillow has it."""
EXAMPLES = Path(__file__).parents[1] / "examples"


def scene(height: int, width: int, seed: int = 0, contrast: float = 1.0) -> Tensor:
    """[3, height, width] whole levels 0 … 255. `contrast` above 1 clips more of it at both ends."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, max(height // 8, 2), max(width // 8, 2), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")[0]
    fine = torch.randn(3, height, width, generator=generator)
    return to_levels(127.5 + contrast * (300 * (smooth - 0.5) + 12 * fine), 255)


def lr_of(hr: Tensor, kernel: Kernel) -> Tensor:
    """A(HR), rounded, as a file has it."""
    return to_levels(downsampling(kernel, (hr.shape[-2], hr.shape[-1])).down(hr), 255)


def save(levels: Tensor, path: Path) -> Path:
    """Write [C, H, W] levels with Pillow alone."""
    pixels = levels.byte()
    array = (pixels[0] if len(pixels) == 1 else pixels.permute(1, 2, 0)).contiguous().numpy()
    Image.fromarray(array).save(path)
    return path

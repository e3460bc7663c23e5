"""Protocol `y`: 8-bit LR = A(HR) rounded, 8-bit estimate, PSNR on luma with `scale` pixels shaved."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mapsr_cli.evaluation.metrics import psnr_y
from mapsr_cli.operators import Kernel, downsampling, to_levels

Estimator = Callable[[Tensor], Tensor]
"""LR [3, h, w] in [0, 1] → HR estimate [3, s·h, s·w], nominally in [0, 1]."""


def pairs(folder: Path, kernel: Kernel, limit: int | None = None) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(name, HR, LR) for each image of a folder, in [0, 1]: HR cropped to a multiple of the scale.

    LR is A(HR), clipped and rounded as a file has it.
    """
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in (".png", ".jpg", ".bmp"))[:limit]:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        height, width = (n - n % kernel.scale for n in pixels.shape[:2])
        hr = torch.from_numpy(pixels[:height, :width].copy()).permute(2, 0, 1).float()
        lr = to_levels(downsampling(kernel, (height, width)).down(hr), 255)
        yield path.stem, hr / 255, lr / 255


def mean_psnr_y(estimate: Estimator, folder: Path, kernel: Kernel, limit: int | None = None) -> float:
    """Mean Y-PSNR in dB over a folder of HR images."""
    with torch.inference_mode():
        values = [
            psnr_y(to_levels(estimate(lr) * 255, 255) / 255, hr, kernel.scale)
            for _, hr, lr in pairs(folder, kernel, limit)
        ]
    return sum(values) / len(values)

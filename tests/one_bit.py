"""Pictures of two levels at the original's resolution: no downscaled image looks like them."""

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from mapsr_cli.views.screen import levels_of
from tests.pictures import scene

BAYER = torch.tensor([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
KINDS = ["dots", "text", "error diffusion", "ordered dither", "screen"]


def one_bit(kind: str, height: int = 60, width: int = 72) -> Tensor:
    """[1, height, width] of 0 and 255."""
    grey = torch.nn.functional.interpolate(scene(height // 4, width // 4, seed=3)[None, :1], (height, width))[0]
    rows, cols = torch.arange(height)[:, None], torch.arange(width)
    if kind == "dots":
        return torch.where((rows % 5 < 1) & (cols % 4 < 2), 0.0, 255.0)[None]
    if kind == "text":
        page = Image.new("L", (width, height), 255)
        for line in range(height // 14):
            ImageDraw.Draw(page).text((2, 2 + 14 * line), "Invoice 4711, ok", fill=0)
        return 255 * (levels_of(page) > 127).float()
    if kind == "error diffusion":
        return 255 * levels_of(Image.fromarray(grey[0].byte().numpy()).convert("1").convert("L")).bool().float()
    if kind == "ordered dither":
        return 255 * (grey > 16 * BAYER.repeat(height // 4, width // 4) + 8).float()
    wave = torch.cos((rows + cols) * torch.pi / 3) * torch.cos((rows - cols) * torch.pi / 3)
    return 255 * (grey > 127.5 + 127.5 * wave).float()

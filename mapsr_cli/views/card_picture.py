"""Pictures that show what a model does."""

import re
from pathlib import Path

import torch
from torch.nn import functional

from mapsr_cli.imaging import Holds, Picture, encode, read_picture
from mapsr_cli.inference.upscaler import Upscaler

LARGEST = 96
"""LR pixels a side: a model card is looked at, not studied."""
_GAP = 8
_EXAMPLE = "chelsea.png"


def example_picture() -> Path:
    """Return a photograph that comes with mapsr (CC0): `examples/` in a checkout, `mapsr_cli/examples/` in a wheel."""
    package = Path(__file__).parents[1]
    installed = package / "examples" / _EXAMPLE
    return installed if installed.is_file() else package.parent / "examples" / _EXAMPLE


def sample_picture(upscaler: Upscaler, path: Path) -> tuple[str, bytes]:
    """Return (`samples/NAME.png`, its bytes): the middle of a picture, pixels enlarged, beside it upscaled."""
    levels = read_picture(path, Holds(alpha=False, deep=False, where="a sample picture")).levels
    top, left = (max(0, (size - LARGEST) // 2) for size in levels.shape[-2:])
    lr = levels[:, top : top + LARGEST, left : left + LARGEST]
    hr = upscaler(lr)
    enlarged = functional.interpolate(lr[None].float(), hr.shape[-2:])[0].to(lr.dtype)
    gap = torch.full_like(hr[:, :, :_GAP], 255)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip("-.") or "sample"
    return f"samples/{name}.png", encode(Picture(torch.cat([enlarged, gap, hr], 2)), "PNG", None, None)

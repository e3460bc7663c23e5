"""From a file to a file: what the saved one gives back is known, whatever kind of samples its format keeps."""

import io
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from mapsr_cli.imaging import Frames, Picture, encode_frames
from mapsr_cli.inference import Upscaler, UpscaleReport
from mapsr_cli.inference.files import Output, encode_file, upscale_file, upscale_frames
from mapsr_cli.inference.verification import KernelChoice, verify_files
from mapsr_cli.operators import make_kernel
from mapsr_cli.zoo import load_model
from tests.pictures import HAS_AVIF, lr_of, scene


def small(channels: int, seed: int = 0) -> Tensor:
    """[channels, 6, 5] uint8 that something gives back."""
    hr = torch.cat([scene(24, 20, seed, 0.5), scene(24, 20, seed + 9, 0.5)])
    return lr_of(hr, make_kernel("bicubic", 4))[:channels].byte()


def opaque(channels: int, seed: int = 0) -> Picture:
    levels = small(channels, seed)
    return Picture(levels, alpha=torch.full_like(levels[:1], 255))


def deep(picture: Picture) -> Picture:
    assert picture.alpha is not None
    levels, alpha = ((part.int() * 257).to(torch.uint16) for part in (picture.levels, picture.alpha))
    return Picture(levels, 65535, alpha=alpha)


@pytest.fixture
def upscaler(tiny_model: Path) -> Upscaler:
    """One that leaves flat parts flat, so that what is opaque stays so."""
    model = load_model(tiny_model)
    for parameter in model.network.parameters():
        torch.nn.init.zeros_(parameter)
    return Upscaler(model)


def encoded(pages: list[Picture], upscaler: Upscaler, output: Output) -> tuple[bytes, UpscaleReport]:
    originals = Frames(tuple(pages))
    return encode_file(originals, *upscale_frames(originals, upscaler), upscaler, output)


@pytest.mark.parametrize("file_format", ["AVIF", "WEBP"])
def test_opaque_alpha_that_a_codec_drops(upscaler: Upscaler, file_format: str) -> None:
    if file_format == "AVIF" and not HAS_AVIF:
        pytest.skip("this Pillow has no AVIF")
    data, report = encoded([opaque(3)], upscaler, Output(file_format, quality=95))
    assert Image.open(io.BytesIO(data)).mode == "RGB"
    assert report.consistency.share > 0


@pytest.mark.parametrize(
    ("file_format", "pages"),
    [
        ("WEBP", [opaque(3), opaque(3, 1)]),
        ("TIFF", [Picture(small(4)), Picture(small(4, 1))]),
        ("TIFF", [deep(opaque(1)), deep(opaque(1, 1))]),
        ("TIFF", [Picture(small(1)), Picture(small(3)), opaque(3), Picture(small(4))]),
    ],
    ids=["opaque", "inks", "deep grey", "every kind"],
)
def test_frames_of_any_kind(upscaler: Upscaler, file_format: str, pages: list[Picture]) -> None:
    _, report = encoded(pages, upscaler, Output(file_format, animate=True))
    assert report.consistency.holds


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_pages_of_several_kinds_become_frames_of_one(upscaler: Upscaler, file_format: str, tmp_path: Path) -> None:
    """Also where two of them differ in kind alone, which a format may merge."""
    pages = (Picture(small(1)), opaque(1), Picture(small(3, 1)), Picture(small(3, 2), alpha=small(1, 3)))
    stack, output = tmp_path / "in.tif", Output(file_format, animate=True)
    stack.write_bytes(encode_frames(Frames(pages), "TIFF", None, None))
    data, report = upscale_file(stack, upscaler, output)
    assert report.consistency.holds
    (tmp_path / "out").write_bytes(data)
    assert verify_files(stack, tmp_path / "out", KernelChoice()).consistency.holds


def test_pages_of_every_kind_are_verified(upscaler: Upscaler, tmp_path: Path) -> None:
    pages = Frames((opaque(3), Picture(small(1)), Picture(small(4)), Picture(small(3))))
    stack = tmp_path / "in.tif"
    stack.write_bytes(encode_frames(pages, "TIFF", None, None))
    data, report = upscale_file(stack, upscaler, Output("TIFF", animate=True))
    (tmp_path / "out.tif").write_bytes(data)
    checked = verify_files(stack, tmp_path / "out.tif", KernelChoice())
    assert checked.consistency == report.consistency
    assert checked.difference.shape == (4, 6, 5)

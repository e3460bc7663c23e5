"""Finished pictures of other tools give their originals back."""

from math import isinf
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.imaging import Picture, read_picture, read_provenance
from mapsr_cli.inference.comparison import downscaled
from mapsr_cli.inference.files import Output
from mapsr_cli.inference.finished import PRODUCER, project_file, project_picture
from mapsr_cli.inference.verification import KernelChoice, verify_files
from mapsr_cli.operators import ResizingKernel, make_kernel, to_levels
from tests.pictures import save, scene

KERNEL = make_kernel("bicubic", 4)


def blurred(hr: torch.Tensor) -> torch.Tensor:
    """What a tool might have made: another brightness, softer, noisier."""
    noise = torch.randn(hr.shape, generator=torch.Generator().manual_seed(0))
    soft = torch.nn.functional.avg_pool2d(hr[None], 3, 1, 1, count_include_pad=False)[0]
    return to_levels(0.97 * soft + 4 + 3 * noise, 255).byte()


@settings(max_examples=8, deadline=None)
@given(height=st.integers(24, 60), width=st.integers(24, 60), ratio=st.floats(2, 5))
def test_it_gives_the_original_back_and_is_never_further_from_the_truth(height: int, width: int, ratio: float) -> None:
    hr = scene(height, width, seed=3)
    kernel = ResizingKernel("bicubic", (round(height / ratio), round(width / ratio)), (height, width))
    original = Picture(downscaled(hr, kernel, 255).byte())
    finished = Picture(blurred(hr))
    result, report = project_picture(original, finished, kernel)
    assert report.consistency.holds
    assert torch.equal(downscaled(result.levels, kernel, 255), original.levels.int())
    before, after = (float((p.levels.float() - hr).square().mean()) for p in (finished, result))
    assert after < before


def test_what_holds_comes_back_with_identical_samples() -> None:
    hr = scene(48, 64).byte()
    original = Picture(downscaled(hr, KERNEL, 255).byte())
    result, report = project_picture(original, Picture(hr), KERNEL)
    assert result.levels is hr
    assert report.consistency.holds


def test_what_is_hardly_larger_is_refused_unless_it_holds() -> None:
    hr = scene(50, 66).byte()
    kernel = ResizingKernel("bicubic", (48, 64), (50, 66))
    original = Picture(downscaled(hr, kernel, 255).byte())
    assert project_picture(original, Picture(hr), kernel)[0].levels is hr
    with pytest.raises(UsageError, match="66×50 is too near to the original's 64×48"):
        project_picture(original, Picture(blurred(hr.float())), kernel)


def test_what_nearly_holds_changes_little_elsewhere() -> None:
    hr = scene(200, 200).byte()
    original = Picture(downscaled(hr, KERNEL, 255).byte())
    spoilt = hr.clone()
    spoilt[:, 28:36, 28:36] = 128
    result, report = project_picture(original, Picture(spoilt), KERNEL)
    assert report.consistency.holds
    change = (result.levels.int() - spoilt.int()).abs().float()
    assert change[:, 20:44, 20:44].amax() > 10
    assert change[:, 100:].mean() < 0.02  # samples on the very edge of the cube
    assert change[:, 100:].amax() <= 3


@pytest.mark.parametrize("noise", [0, 1, 3])
@pytest.mark.parametrize("brighter", [2, -6, 12])
def test_smooth_pictures_of_another_brightness(brighter: int, noise: int) -> None:
    """All samples then come to lie at one face of the cube, which leaves rounding no room."""
    ramp = 40 + torch.linspace(0, 20, 32)[:, None] + torch.linspace(0, 10, 32)
    x = torch.stack([ramp, ramp + 5, ramp + 20]).round()
    large = torch.nn.functional.interpolate(x[None], scale_factor=4, mode="bicubic")[0] + brighter
    grain = noise * torch.randn(large.shape, generator=torch.Generator().manual_seed(0))
    result, report = project_picture(Picture(x.byte()), Picture(to_levels(large + grain, 255).byte()), KERNEL)
    assert report.consistency.holds
    assert torch.equal(downscaled(result.levels, KERNEL, 255), x.int())


def test_alpha_and_sixteen_bits() -> None:
    hr = scene(40, 40).byte()
    alpha = scene(40, 40, seed=5)[:1].byte()
    original = Picture(downscaled(hr, KERNEL, 255).byte(), alpha=downscaled(alpha, KERNEL, 255).byte())
    _, report = project_picture(original, Picture(blurred(hr.float()), alpha=blurred(alpha.float())), KERNEL)
    assert report.consistency.holds
    deep = (257 * hr.int()).to(torch.uint16)
    small = Picture(downscaled(deep, KERNEL, 65535).to(torch.uint16), peak=65535)
    spoilt = Picture((257 * blurred(hr.float()).int()).to(torch.uint16), peak=65535)
    assert project_picture(small, spoilt, KERNEL)[1].consistency.holds


def test_files(tmp_path: Path) -> None:
    hr = scene(60, 75)
    original = save(downscaled(hr, ResizingKernel("bicubic", (24, 30), (60, 75)), 255), tmp_path / "a.png")
    theirs = save(blurred(hr), tmp_path / "b.png")
    data, report, psnr, frames, kernel = project_file(original, theirs, KernelChoice(kernel="bicubic"), Output("PNG"))
    (tmp_path / "c.png").write_bytes(data)
    assert (frames.size, kernel.scale, report.consistency.holds) == ((75, 60), 2.5, True)
    assert 20 < psnr < 60
    assert verify_files(original, tmp_path / "c.png", KernelChoice()).consistency.holds
    stored = read_provenance(tmp_path / "c.png")
    assert stored is not None
    assert (stored.model, stored.size) == (PRODUCER, (75, 60))
    again, _, unchanged, _, _ = project_file(original, tmp_path / "c.png", KernelChoice(), Output("PNG"))
    assert isinf(unchanged)
    (tmp_path / "d.png").write_bytes(again)
    assert torch.equal(read_picture(tmp_path / "d.png").levels, read_picture(tmp_path / "c.png").levels)


def test_pictures_of_two_shapes_are_refused(tmp_path: Path) -> None:
    original, theirs = save(scene(20, 30), tmp_path / "a.png"), save(scene(80, 80), tmp_path / "b.png")
    with pytest.raises(ImageError, match="differ in shape"):
        project_file(original, theirs, KernelChoice(kernel="bicubic"), Output("PNG"))


def test_of_a_lossy_file_what_it_stores_is_reported(tmp_path: Path) -> None:
    hr = scene(40, 48)
    original = save(downscaled(hr, KERNEL, 255), tmp_path / "a.png")
    theirs = save(blurred(hr), tmp_path / "b.png")
    _, report, _, _, _ = project_file(original, theirs, KernelChoice(kernel="bicubic"), Output("JPEG", 30))
    assert not report.consistency.holds

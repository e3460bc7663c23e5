"""Rounding: to the nearest level, or from thresholds that change from pixel to pixel."""

import torch

from mapsr_cli.operators import Levels, downsampling, make_kernel


def test_ordered_rounding_keeps_whole_levels_and_moves_none_by_one() -> None:
    f = 255 * torch.rand(3, 21, 30, generator=torch.Generator().manual_seed(0))
    whole = f.round()
    assert torch.equal(Levels.rounded(whole, 255, ordered=True).image.float(), whole)
    rounded = Levels.rounded(f, 255, ordered=True).image.float()
    assert (rounded - f).abs().max() < 1
    assert not torch.equal(rounded, whole)
    assert torch.equal(Levels.rounded(f + 300, 255, ordered=True).image, torch.full_like(whole.byte(), 255))


def test_strips_are_rounded_as_the_whole() -> None:
    f = 255 * torch.rand(1, 37, 19, generator=torch.Generator().manual_seed(1))
    whole, parts = Levels.rounded(f, 255, ordered=True), Levels.empty((1, 37, 19), 255, f.dtype, f.device, ordered=True)
    for rows in (slice(0, 5), slice(5, 26), slice(26, 37)):
        parts.write(rows, f[:, rows])
    assert torch.equal(whole.image, parts.image)
    assert torch.equal(whole.ahead, parts.ahead)


def test_errors_of_a_smooth_image_average_out() -> None:
    """A keeps the error of rounding a ramp to the nearest level, which is alike over many pixels."""
    ramp = (100 + torch.linspace(0, 3, 192))[None, None, :].expand(1, 192, 192).contiguous()
    op = downsampling(make_kernel("bicubic", 4), (192, 192))
    plain, ordered = (
        op.down(Levels.rounded(ramp, 255, ordered).image.float() - ramp).abs().max() for ordered in (False, True)
    )
    assert plain > 0.4
    assert ordered < 0.1

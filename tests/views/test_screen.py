"""Pictures as they are shown, and the parts of them that are worth showing."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mapsr_cli.evaluation.candidates import interpolate
from mapsr_cli.imaging import Picture
from mapsr_cli.operators import make_kernel
from mapsr_cli.views.contact_sheet import cell_size, draw_sheet
from mapsr_cli.views.crops import BLOCK, block_means, busiest
from mapsr_cli.views.screen import as_image, enlarged, levels_of, over_checks, part_of
from tests.pictures import scene

LEVELS = scene(20, 30).byte()
SIZE = 120, 80


@pytest.mark.parametrize("channels", [1, 3])
def test_levels_stay_as_they_are(channels: int) -> None:
    assert torch.equal(levels_of(over_checks(as_image(Picture(LEVELS[:channels])))), LEVELS[:channels])


def test_sixteen_bits_are_rounded() -> None:
    deep = (LEVELS.int() * 257 + 100).clamp(max=65535).to(torch.uint16)
    assert torch.equal(levels_of(as_image(Picture(deep, 65535))), LEVELS)


def test_inks_become_colours() -> None:
    inks = torch.zeros(4, 2, 2, dtype=torch.uint8)
    inks[0] = 255
    assert levels_of(as_image(Picture(inks)))[:, 0, 0].tolist() == [0, 255, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_transparent_shows_the_ground(channels: int) -> None:
    alpha = torch.tensor([0, 255]).repeat_interleave(15).expand(1, 20, 30).byte()
    seen = levels_of(over_checks(as_image(Picture(LEVELS[:channels], alpha=alpha))))
    assert set(seen[:, :, :15].flatten().tolist()) == {205, 255}
    assert torch.equal(seen[:, :, 15:], LEVELS[:channels, :, 15:])


def test_enlarging_is_the_field_s_bicubic() -> None:
    expected = interpolate(LEVELS.double(), make_kernel("bicubic", 4)).round().clamp(0, 255)
    inner = (slice(None), slice(8, -8), slice(8, -8))
    off = (levels_of(enlarged(as_image(Picture(LEVELS)), SIZE))[inner] - expected[inner]).abs()
    assert off.max() <= 2  # Pillow rounds between rows and columns
    assert off.mean() < 0.3


def test_a_part_enlarged_is_a_part_of_the_enlarged() -> None:
    image = as_image(Picture(LEVELS))
    part = levels_of(enlarged(image, SIZE, (17, 6, 90, 61))).int()
    assert (part - levels_of(enlarged(image, SIZE)).int()[:, 6:61, 17:90]).abs().max() <= 1


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_part_is_cut_whatever_pillows_limit(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is another thread's while that reads."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    alpha = LEVELS[1:2] if channels in (2, 4) else None
    image = as_image(Picture(LEVELS[: channels - (alpha is not None)], alpha=alpha))
    for box in ((7, 3, 29, 16), (0, 0, 30, 20), (0, 5, 30, 20)):
        expected = np.array(image)[box[1] : box[3], box[0] : box[2]]
        assert np.array_equal(np.array(part_of(image, box)), expected)


@given(height=st.integers(1, 70), width=st.integers(1, 70), block=st.integers(1, 20))
def test_block_means(height: int, width: int, block: int) -> None:
    values = np.random.default_rng(0).random((height, width))
    means = block_means(lambda rows: values[rows], (width, height), block)
    assert means.shape == (-(-height // block), -(-width // block))
    assert means[-1, -1] == pytest.approx(
        values[(height - 1) // block * block :, (width - 1) // block * block :].mean()
    )
    assert means[0, 0] == pytest.approx(values[:block, :block].mean())


@given(st.data(), st.integers(1, 200), st.integers(1, 200), st.integers(1, 250), st.integers(1, 250))
def test_the_busiest_part(data: st.DataObject, width: int, height: int, across: int, down: int) -> None:
    at = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    values = np.zeros((height, width))
    values[at] = 1.0
    left, top, right, bottom = busiest(
        block_means(lambda rows: values[rows], (width, height)), (width, height), (across, down)
    )
    assert (right - left, bottom - top) == (min(across, width), min(down, height))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    if min(across, down) >= 2 * BLOCK:
        assert top <= at[0] < bottom
        assert left <= at[1] < right


@pytest.mark.parametrize("count", [3, 5, 9, 17, 100])
@pytest.mark.parametrize("size", [(7, 5), (384, 100), (100, 384)])
def test_a_sheet_holds_every_picture(count: int, size: tuple[int, int]) -> None:
    cell = Picture(torch.full((3, size[1], size[0]), 250, dtype=torch.uint8))
    sheet = draw_sheet([(f"sample {n} ×", as_image(cell)) for n in range(count)], "a title", "a remark")
    shown = int((np.array(sheet) == 250).all(2).sum())
    times = max(cell_size(count) // max(size), 1)
    assert shown >= count * size[0] * size[1] * times**2
    assert 0.4 < sheet.width / sheet.height < 5

"""How much samples differ: the numbers, and the map of them."""

import numpy as np
import pytest

from mapsr_cli.errors import UsageError
from mapsr_cli.views.deviation import MOST, Spread
from mapsr_cli.views.map_frame import Caption
from mapsr_cli.views.spread_map import colours, draw_spread

CAPTION = Caption("photo.png", "4 samples", "axes: pixels")


def random_samples(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def spread_of(samples: np.ndarray) -> Spread:
    spread = Spread()
    for sample in samples:
        spread.add(sample)
    return spread


@pytest.mark.parametrize("shape", [(700, 9), (11, 13, 3)])
@pytest.mark.parametrize("count", [2, 7])
def test_it_is_the_standard_deviation(count: int, shape: tuple[int, ...]) -> None:
    samples = random_samples(count, *shape)
    spread = spread_of(samples)
    variance = samples.astype(float).var(0, ddof=1).reshape(*shape[:2], -1).mean(2)
    assert np.allclose(spread.variance(slice(None)), variance, rtol=1e-12, atol=1e-10)
    assert np.allclose(spread.deviation(1), np.sqrt(variance), atol=1e-10)
    overall, largest = spread.summary()
    assert (overall, largest) == pytest.approx((variance.mean() ** 0.5, variance.max() ** 0.5))


def test_as_many_samples_as_the_sums_hold() -> None:
    samples = np.zeros((MOST, 2, 2, 3), np.uint8)
    samples[::2] = 255
    spread = spread_of(samples)
    assert np.allclose(spread.variance(slice(None)), samples[:, 0, 0, 0].astype(float).var(ddof=1))
    with pytest.raises(UsageError):
        spread.add(samples[0])


def test_sizes_that_do_not_go_together() -> None:
    spread = spread_of(random_samples(1, 4, 5, 3))
    with pytest.raises(UsageError, match="does not go with"):
        spread.add(random_samples(1, 5, 4, 3)[0])


def test_the_scale_gets_lighter() -> None:
    lightness = colours().astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) >= -0.5).all()
    assert lightness[0] < 5
    assert lightness[-1] > 230


def test_brighter_is_further_apart_and_the_same_is_black() -> None:
    samples = np.full((3, 16, 32), 100, np.uint8)
    samples[1, :, 16:24] += 6  # deviation 3.5
    samples[1, :, 24:] += 10  # 5.8
    pixels = np.array(draw_spread(spread_of(samples), CAPTION)).astype(int)
    scale = 640 // 32
    row = pixels[60 + 26 + 8 * scale]
    at = [row[56 + scale * column] for column in (8, 20, 28)]
    assert at[0].tolist() == [0, 0, 4]
    assert at[0].sum() < at[1].sum() < at[2].sum()
    assert at[2].tolist() == colours()[round(100 / 3**0.5 / 10 * 255 / 10)].tolist()


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (2000, 3300)])
def test_maps_of_any_size(size: tuple[int, int]) -> None:
    samples = np.zeros((2, *size), np.uint8)
    samples[1, size[0] // 2] = 9
    drawn = draw_spread(spread_of(samples), CAPTION)
    assert max(drawn.size) < 1900

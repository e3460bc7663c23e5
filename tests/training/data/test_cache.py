"""Pixels in memory: what fits stays, what does not is not even made."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mapsr_cli.training.data.cache import PixelCache

MEGABYTE = 2**20


def pixels(value: int) -> NDArray[np.uint8]:
    return np.full(MEGABYTE, value, np.uint8)


def test_what_fits_stays() -> None:
    cache = PixelCache[np.uint8](2)
    for number in range(3):
        cache.keep(Path(str(number)), MEGABYTE, lambda number=number: pixels(number))  # type: ignore[misc]
    kept = [cache.get(Path(str(number))) for number in range(3)]
    assert [None if one is None else int(one[0]) for one in kept] == [0, 1, None]


def test_nothing_is_made_in_vain() -> None:
    cache = PixelCache[np.uint8](1)
    cache.keep(Path("a"), MEGABYTE, lambda: pixels(1))
    for path in (Path("a"), Path("b")):
        cache.keep(path, MEGABYTE, lambda: pytest.fail("made"))
    assert cache.get(Path("b")) is None

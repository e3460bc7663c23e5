"""Point-spread functions that are not separable."""

import numpy as np
from numpy.typing import NDArray

from mapsr_cli.operators import Psf, make_psf

Array = NDArray[np.float64]


def streak(rows: int = 7, cols: int = 7, angle: float = 0.6, along: float = 1.6, across: float = 0.7) -> Array:
    """An oblique Gaussian: symmetric about its middle."""
    v, u = np.mgrid[:rows, :cols] - np.array([(rows - 1) / 2, (cols - 1) / 2])[:, None, None]
    x, y = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    return np.asarray(np.exp(-0.5 * ((x / along) ** 2 + (y / across) ** 2)))


def comet(rows: int = 7, cols: int = 8) -> Array:
    """Heavier on one side: symmetric about nothing."""
    weights = streak(rows, cols)
    return weights * np.linspace(0.2, 1.8, cols)[None, :] * np.linspace(1.5, 0.5, rows)[:, None]


def comet_kernel(scale: int) -> Psf:
    """As large as goes with the scale."""
    side = 2 * scale - 1
    return make_psf("file:comet.npy", comet(side, side + 1), scale)

"""Which orientations a patch may be met in, and that A is the same in them."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mapsr_cli.operators import Kernel, downsampling, make_kernel
from mapsr_cli.training.data import DataConfig, orientations
from mapsr_cli.training.data.orientation import seen
from tests.psfs import comet_kernel

EVERY = [(turns, mirrored) for turns in range(4) for mirrored in (False, True)]
KERNELS = [
    (make_kernel("bicubic", 4), 8),
    (make_kernel("box", 3), 8),
    (make_kernel("gaussian9", 3), 8),
    (make_kernel("gaussian9", 4), 2),  # an odd kernel between even blocks: as it is, and along the diagonal
    (comet_kernel(4), 1),
]


@pytest.mark.parametrize(("settings", "count"), [({}, 8), ({"upright": True}, 2), ({"augment": False}, 1)])
def test_they_are_those_of_the_augmentation(settings: dict[str, bool], count: int) -> None:
    views = orientations(DataConfig(**settings), make_kernel("bicubic", 4))  # type: ignore[arg-type]
    assert len(set(views)) == len(views) == count
    assert views[0] == (0, False)


@pytest.mark.parametrize(("kernel", "count"), KERNELS)
def test_a_is_the_same_in_them_and_in_no_others(kernel: Kernel, count: int) -> None:
    """A g y = g A y, to the border."""
    y = np.random.default_rng(0).random((3, 8 * kernel.scale, 8 * kernel.scale))
    op = downsampling(kernel, (y.shape[1], y.shape[2]), torch.float64)

    def down(y: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = op.down(torch.from_numpy(y.copy())).numpy()
        return found

    views = orientations(DataConfig(), kernel)
    assert len(views) == count
    for view in EVERY:
        error = np.abs(down(seen(y, view)) - seen(down(y), view)).max()
        assert (error < 1e-10) == (view in views)

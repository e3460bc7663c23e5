"""What a training measures as it goes, on images of any size."""

from pathlib import Path

import pytest

from mapsr_cli.evaluation.validation import Validation
from mapsr_cli.operators import downsampling, make_kernel, to_levels
from tests.pictures import save, scene

KERNEL = make_kernel("bicubic", 4)


@pytest.mark.parametrize("side", [16, 36, 48, 200])
def test_tiles_of_images_of_any_size_are_pairs(tmp_path: Path, side: int) -> None:
    """Also of images a fraction of a patch: both are mirrored as A mirrors, so that the LR tile shows the HR one."""
    save(scene(side, side + 8), tmp_path / "a.png")
    ((lr, hr),) = Validation(tmp_path, KERNEL, (96, 96)).tiles()
    assert (lr.shape, hr.shape) == ((3, 24, 24), (3, 96, 96))
    down = to_levels(255 * downsampling(KERNEL, (96, 96)).down(hr), 255) / 255
    inner = slice(4, -4)  # beyond, a tile from the middle has other neighbours than the image
    assert (down - lr)[:, inner, inner].abs().max() < 1.5 / 255

"""Two folders: large pictures, and small ones that something made of them."""

from pathlib import Path

import pytest
import torch

from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.operators import downsampling, make_kernel, to_levels
from mapsr_cli.training.data import DataConfig, open_pairs
from tests.pictures import lr_of, save, scene

KERNEL = make_kernel("bicubic", 4)
CONFIG = DataConfig(patch=(32, 32), batch=6, workers=0)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """LR images are A y, so that every patch can be checked; one pair lies deeper and is of another format."""
    large, small = tmp_path / "hr", tmp_path / "lr"
    for folder in (large, small):
        (folder / "more").mkdir(parents=True)
    for name, (height, width) in {"a.png": (90, 70), "more/b.bmp": (41, 64), "c.png": (24, 40)}.items():
        y = scene(height, width, len(name))
        save(y, large / name)
        save(lr_of(y, KERNEL), (small / name).with_suffix(".png"))
    return large, small


def test_patches_are_of_the_same_place_and_orientation(folders: tuple[Path, Path]) -> None:
    data = open_pairs(str(folders[0]), folders[1], CONFIG, KERNEL)
    stream = data.batches()
    for _ in range(8):
        patches = next(stream)
        assert patches.x is not None
        assert patches.y.shape == (6, 3, 32, 32)
        assert patches.x.shape == (6, 3, 8, 8)
        expected = to_levels(downsampling(KERNEL, (32, 32)).down(patches.y.float()), 255)
        inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))  # A looks beyond the patch at its edge
        off = (expected[inside] - patches.x[inside].float()).abs().flatten(1).amax(1)
        assert (off <= 1).sum() >= 4  # those of the picture that is too short for a patch are mirrored inside
        assert off.max() < 60
    data.close()


def test_a_batch_is_a_function_of_its_number(folders: tuple[Path, Path]) -> None:
    first, later = (open_pairs(str(folders[0]), folders[1], CONFIG, KERNEL).batches(start) for start in (0, 1))
    next(first)
    a, b = next(first), next(later)
    assert torch.equal(a.y, b.y)
    assert a.x is not None
    assert b.x is not None
    assert torch.equal(a.x, b.x)


def test_processes_share_a_batch(folders: tuple[Path, Path]) -> None:
    whole = next(open_pairs(str(folders[0]), folders[1], CONFIG, KERNEL).batches())
    parts = [next(open_pairs(str(folders[0]), folders[1], CONFIG, KERNEL, rank, 2).batches()) for rank in (0, 1)]
    assert torch.equal(torch.cat([part.y for part in parts]), whole.y)


def test_a_missing_or_wrong_small_picture_is_told_before_the_first_batch(folders: tuple[Path, Path]) -> None:
    large, small = folders
    save(scene(20, 20), small / "a.png")
    with pytest.raises(ImageError, match=r"a\.png has 20×20 pixels, not 18×23"):
        open_pairs(str(large), small, CONFIG, KERNEL)
    (small / "a.png").unlink()
    with pytest.raises(ImageError, match=r"no small picture of a\.png"):
        open_pairs(str(large), small, CONFIG, KERNEL)


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"shrink": 2.0}, "data.shrink changes"), ({"tint": 0.1}, "data.tint changes"), ({"jpeg": (50, 90)}, "degraded")],
)
def test_settings_that_would_change_one_of_the_two(
    folders: tuple[Path, Path], fields: dict[str, float], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        open_pairs(str(folders[0]), folders[1], DataConfig(patch=(32, 32), **fields), KERNEL)  # type: ignore[arg-type]


def test_pairs_are_folders(folders: tuple[Path, Path]) -> None:
    (folders[0] / "list.txt").write_text("a.png\n")
    with pytest.raises(UsageError, match="pairs are two folders"):
        open_pairs(str(folders[0] / "list.txt"), folders[1], CONFIG, KERNEL)

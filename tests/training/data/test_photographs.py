from pathlib import Path

import numpy as np
import pytest
import torch

from mapsr_cli.errors import ImageError
from mapsr_cli.training.data import Photographs
from tests.pictures import save, scene


def test_patches_come_from_the_images(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    flat = torch.full((3, 20, 24), 51.0)
    save(flat, tmp_path / "deep" / "flat.png")
    save(scene(9, 9), tmp_path / "small.png")
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    data = Photographs(tmp_path, 16)
    assert (len(data.images), data.small, data.unreadable) == (1, 1, 1)
    batch = data.batch(np.random.default_rng(0), 5)
    assert batch.shape == (5, 3, 16, 16)
    assert torch.allclose(batch, torch.full_like(batch, 0.2))


def test_the_seed_decides(tmp_path: Path) -> None:
    save(scene(40, 40), tmp_path / "a.png")
    data = Photographs(tmp_path, 16)
    first, again, other = (data.batch(np.random.default_rng(seed), 3) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_folder_with_nothing_in_it(tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        Photographs(tmp_path, 16)

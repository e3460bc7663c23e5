"""HR images out of tar files and folders."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from mapsr_cli.errors import ImageError
from mapsr_cli.experiments.images.truths import centres, patches, tar_images
from tests.experiments.images.sets import shard
from tests.pictures import save, scene


def test_faces_are_read_in_their_order(tmp_path: Path) -> None:
    shard(tmp_path / "a.tar", 3, seed=7, side=16)
    found = tar_images(tmp_path / "a.tar")
    assert torch.equal(255 * found, torch.stack([scene(16, 16, 7 + n) for n in range(3)]))
    assert torch.equal(tar_images(tmp_path / "a.tar", 2), found[:2])


def test_patches_reach_from_edge_to_edge(tmp_path: Path) -> None:
    image = scene(20, 30)
    save(image, tmp_path / "a.png")
    found = 255 * patches(tmp_path, 8, 3)
    places = [(top, left) for top in (0, 6, 12) for left in (0, 11, 22)]
    assert torch.equal(found, torch.stack([image[:, t : t + 8, s : s + 8] for t, s in places]))
    assert torch.equal(255 * centres(tmp_path, 8), image[None, :, 6:14, 11:19])


def test_what_cannot_be_measured_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no images"):
        patches(tmp_path, 8, 2)
    (tmp_path / "a.tar").write_bytes(b"no tar file")
    with pytest.raises(ImageError, match="not a tar file"):
        tar_images(tmp_path / "a.tar")
    shard(tmp_path / "b.tar", 0, seed=0)
    with pytest.raises(ImageError, match="no images there"):
        tar_images(tmp_path / "b.tar")
    Image.new("RGB", (7, 9)).save(tmp_path / "small.png")
    with pytest.raises(ImageError, match="7×9"):
        centres(tmp_path, 8)

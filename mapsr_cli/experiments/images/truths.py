"""HR images to measure on: whole faces, patches of textures, centres of photographs."""

import tarfile
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from mapsr_cli.errors import ImageError
from mapsr_cli.evaluation.protocol import PEAK, SUFFIXES, images_in, read_levels


def tar_images(path: Path, limit: int | None = None) -> Tensor:
    """Read the first `limit` images of a tar file, all of one size: [N, 3, H, W] in [0, 1]. Raises ImageError."""
    try:
        with tarfile.open(path) as shard:
            members = (m for m in shard if m.isfile() and Path(m.name).suffix.lower() in SUFFIXES)
            files = [shard.extractfile(member) for member in islice(members, limit)]
            images = [read_levels(file.read()) / PEAK for file in files if file is not None]
    except (tarfile.TarError, OSError) as error:
        raise ImageError(f"{path}: not a tar file of images ({error})") from error
    if len({image.shape for image in images}) != 1:
        raise ImageError(f"{path}: its images are not of one size" if images else f"{path}: no images there")
    return torch.stack(images)


def patches(folder: Path, side: int, across: int) -> Tensor:
    """Cut across² patches from each image of a folder, evenly spaced: [N, 3, side, side] in [0, 1]."""
    return torch.cat([_grid(read_levels(path) / PEAK, side, across, path) for path in _images(folder)])


def centres(folder: Path, side: int) -> Tensor:
    """Crop the middle of every image of a folder: [N, 3, side, side] in [0, 1]."""
    return patches(folder, side, across=1)


def _images(folder: Path) -> list[Path]:
    if not (paths := images_in(folder)):
        raise ImageError(f"{folder}: no images there")
    return paths


def _grid(image: Tensor, side: int, across: int, path: Path) -> Tensor:
    height, width = image.shape[-2:]
    if min(height, width) < side:
        raise ImageError(f"{path} is {width}×{height}: patches of {side}×{side} are measured")
    return torch.stack(
        [
            image[:, top : top + side, left : left + side]
            for top in _places(height - side, across)
            for left in _places(width - side, across)
        ]
    )


def _places(room: int, count: int) -> list[int]:
    """Space `count` offsets evenly from 0 to `room`; a single one is in the middle."""
    return [room // 2] if count == 1 else [round(room * i / (count - 1)) for i in range(count)]

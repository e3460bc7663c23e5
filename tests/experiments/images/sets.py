"""Folders of image sets as `--data` takes them, of synthetic pictures."""

import tarfile
from pathlib import Path

from tests.pictures import save, scene


def shard(path: Path, count: int, seed: int, side: int = 64) -> None:
    """A tar file of pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for number in range(count):
            picture = save(scene(side, side, seed + number), path.parent / f"{number:03d}.png")
            tar.add(picture, picture.name)
            picture.unlink()


def folder(path: Path, count: int, seed: int, side: int) -> None:
    """A folder of pictures."""
    path.mkdir(parents=True)
    for number in range(count):
        save(scene(side, side + 8, seed + number), path / f"{number:03d}.png")


def image_sets(data: Path) -> Path:
    """`data`, with everything that an experiment asks for."""
    for seed, name in enumerate(("train", "valid", "test")):
        shard(data / "faces64" / f"{name}.tar", 4, 10 * seed)
    folder(data / "grass" / "train", 2, 40, 64)
    folder(data / "grass" / "valid", 2, 50, 128)
    folder(data / "natural", 2, 60, 128)
    folder(data / "eval" / "BSD100", 3, 70, 128)
    return data

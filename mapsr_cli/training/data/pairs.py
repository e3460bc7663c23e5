"""HR images with LR images that a camera, a scanner or another program made: A is what the pairs say."""

from collections.abc import Generator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mapsr_cli.criteria.base import Patches
from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.operators import Kernel
from mapsr_cli.training.data.cache import PixelCache
from mapsr_cli.training.data.config import DataConfig, RankShare
from mapsr_cli.training.data.decoding import (
    SUFFIXES,
    ByteLevels,
    UnreadableError,
    crop,
    decode,
    levels,
    oriented_size,
    size_of,
)
from mapsr_cli.training.data.images import ImageFiles, folder_images
from mapsr_cli.training.data.orientation import patch_orientations, seen
from mapsr_cli.training.data.sources import kind_of
from mapsr_cli.training.data.stream import BatchJob, Data, numbered


class PairedImages:
    """Patches of HR images with the same places of their LR images. A source (see `stream.PatchSource`)."""

    def __init__(
        self, images: ImageFiles, base: Path, folder: Path, config: DataConfig, share: RankShare, kernel: Kernel
    ) -> None:
        """Take LR images from `folder`, under the HR images' names below `base`.

        Orientations of the augmentation are those that keep `kernel`. Raises ImageError where an image has no LR image,
        or one of another size than ⌈H/s⌉ × ⌈W/s⌉.
        """
        self.ledger = images.ledger
        self._images, self._config, self._share, self._kernel = images, config, share, kernel
        self._views = patch_orientations(config, kernel)
        self._small = {path: _small(path.relative_to(base), folder) for path in images.paths}
        self._check()
        self._cache = PixelCache[np.uint8](config.cache_mb)

    def jobs(self, start: int) -> Generator[BatchJob]:
        """Yield what makes batch `start`, `start` + 1, …: each a function of the batch's number alone."""
        return numbered(self._batch, start)

    def _check(self) -> None:
        for large, small in self._small.items():
            try:
                (height, width), found = self._kernel.lr_size(oriented_size(large)), oriented_size(small)
            except UnreadableError as error:
                raise ImageError(f"{small}: not a readable picture ({error})", "each of --data has its pair") from error
            if found != (height, width):
                raise ImageError(
                    f"{small} has {found[1]}×{found[0]} pixels, not {width}×{height}",
                    f"a pair's small picture is --data's {large.name}, made small by {self._kernel.scale}",
                )

    def _batch(self, batch: int) -> Patches:
        ys, xs = zip(*(self._sample(number) for number in self._share.samples(batch)), strict=True)
        return Patches(torch.from_numpy(np.stack(ys)), x=torch.from_numpy(np.stack(xs)))

    def _sample(self, number: int) -> tuple[ByteLevels, ByteLevels]:
        """Return (y, x), uint8 [C, H, W] and [C, h, w]: patches that begin where an LR pixel does."""
        path, image, rng = self._images.draw(number)
        (height, width), patch = size_of(image), self._config.patch
        small = self._kernel.lr_size(patch)
        rows, columns = min(height, patch[0]), min(width, patch[1])
        places = [int(rng.integers((n - m) // self._kernel.scale + 1)) for n, m in ((height, rows), (width, columns))]
        top, left = self._kernel.hr_size((places[0], places[1]))
        view = self._views[int(rng.integers(len(self._views)))]
        y = crop(image, top, left, (rows, columns))
        x = self._decoded(self._small[path])[:, places[0] : places[0] + small[0], places[1] : places[1] + small[1]]
        return _oriented(y, patch, view), _oriented(x, small, view)

    def _decoded(self, path: Path) -> ByteLevels:
        if (kept := self._cache.get(path)) is not None:
            return kept
        try:
            pixels = np.ascontiguousarray(levels(decode(path, self._config.colours)))
        except UnreadableError as error:
            raise ImageError(f"{path}: not a readable picture ({error})", "copy it again") from error
        self._cache.keep(path, pixels.nbytes, lambda: pixels)
        return pixels


def _oriented(pixels: ByteLevels, size: tuple[int, int], view: tuple[int, bool]) -> NDArray[np.uint8]:
    """Mirror a patch at its end where it is too short, as A's border is, then turn it."""
    short = [(0, n - m) for n, m in zip(size, pixels.shape[1:], strict=True)]
    return np.ascontiguousarray(seen(np.pad(pixels, [(0, 0), *short], mode="symmetric"), view))


def _small(name: Path, folder: Path) -> Path:
    """Find the LR image of an HR image: the same name, as any format. Raises ImageError where there is none."""
    for suffix in (name.suffix, *SUFFIXES):
        if (path := folder / name.with_suffix(suffix)).is_file():
            return path
    raise ImageError(f"{folder} has no small picture of {name}", "one for each of --data's, under its name")


def open_pairs(location: str, folder: Path, config: DataConfig, kernel: Kernel, rank: int = 0, world: int = 1) -> Data:
    """Open batches for process `rank` of `world` of a folder of HR images with a folder of LR images of them.

    Raises ImageError where one is missing or of another size, UsageError for data that are no folder of images, and for
    settings that change images.
    """
    if changed := config.changes:
        raise UsageError(f"data.{changed[0]} changes the large pictures, whose small ones are files", "leave it out")
    if config.degrades:
        raise UsageError("pairs are not degraded: their small pictures are files", "leave out data.jpeg and the like")
    if kind_of(location) != "folder":
        raise UsageError("pairs are two folders", "--data takes the large pictures, --pairs the small ones")
    share = RankShare(config.batch, rank, world)
    source = PairedImages(folder_images(location, config, share), Path(location), folder, config, share, kernel)
    return Data(source, config.workers)

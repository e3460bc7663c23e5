"""Training images with estimates of them that some other program made: a teacher that mapsr need not know."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mapsr_cli.criteria.base import Patches
from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.networks import Affine
from mapsr_cli.operators import Kernel, Point, to_levels
from mapsr_cli.training.data.cache import PixelCache
from mapsr_cli.training.data.config import DataConfig, RankShare
from mapsr_cli.training.data.decoding import SUFFIXES, UnreadableError, crop, decode, levels, size_of
from mapsr_cli.training.data.degradation import DegradedSource
from mapsr_cli.training.data.images import ImageFiles, folder_images, listed_images
from mapsr_cli.training.data.orientation import Orientation, orientations, patch_orientations, seen, unseen
from mapsr_cli.training.data.sources import kind_of
from mapsr_cli.training.data.stream import BatchJob, Data, PatchSource, numbered

PEAK = 255
FOLDERS: dict[Orientation, str] = {
    (0, False): "",
    (1, False): "rot90",
    (2, False): "rot180",
    (3, False): "rot270",
    (0, True): "mirrored",
    (1, True): "rot90-mirrored",
    (2, True): "rot180-mirrored",
    (3, True): "rot270-mirrored",
}
"""Where, inside the folder of estimates, those of images lie that were turned (anticlockwise), then mirrored."""


class EstimatedImages:
    """Patches of image files, with a teacher's estimates of the images. A source (see `stream.PatchSource`).

    Batches are float32 in [0, 1], with the blend (1 − teacher) · y + teacher · Π e: e is the mean of the image's
    estimates, turned back, and the projection makes it agree with x = A y.
    """

    def __init__(
        self,
        images: ImageFiles,
        base: Path,
        folder: Path,
        teacher: float,
        config: DataConfig,
        share: RankShare,
        kernel: Kernel,
        rounded: bool,
    ) -> None:
        """Take estimates from `folder`, under the images' names below `base`; `teacher`: their share of the blend.

        `rounded`: x is A y in whole levels. Raises ImageError where an image has no estimate.
        """
        self.ledger = images.ledger
        self._images, self._base, self._folder, self._teacher = images, base, folder, teacher
        self._config, self._share, self._rounded = config, share, rounded
        self._kernel, self._constraint = kernel, Affine(kernel)
        self._views = patch_orientations(config, kernel)
        self._keep_a = orientations(DataConfig(), kernel)
        self._cache = PixelCache[np.float16](config.cache_mb)
        if missing := [path for path in images.paths if not self._files(path)]:
            raise ImageError(
                f"{folder} has no estimate of {self._name(missing[0])} ({len(missing)} of {len(images.paths)} missing)",
                "one for each training image, under its name, as PNG or another format",
            )

    def jobs(self, start: int) -> Generator[BatchJob]:
        """Yield what makes batch `start`, `start` + 1, …: each a function of the batch's number alone."""
        return numbered(self._batch, start)

    def _batch(self, batch: int) -> Patches:
        ys, estimates = zip(*(self._sample(number) for number in self._share.samples(batch)), strict=True)
        y = torch.stack(ys)
        x = self._constraint.down(y)
        x = to_levels(x * PEAK, PEAK) / PEAK if self._rounded else x
        return Patches(y, y.lerp(self._constraint(torch.stack(estimates), Point(x)), self._teacher))

    def _sample(self, number: int) -> tuple[Tensor, Tensor]:
        """Return (y, e), each float32 [C, H, W]: a patch that begins where an LR pixel does."""
        path, image, rng = self._images.draw(number)
        estimate = self._estimate(path, size_of(image))
        (height, width), patch = estimate.shape[1:], self._config.patch
        rows, columns = min(height, patch[0]), min(width, patch[1])
        last = self._kernel.lr_size((height - rows, width - columns))
        top, left = self._kernel.hr_size((int(rng.integers(last[0] + 1)), int(rng.integers(last[1] + 1))))
        view = self._views[int(rng.integers(len(self._views)))]
        margin = [(0, 0), (0, patch[0] - rows), (0, patch[1] - columns)]

        def patch_of(pixels: NDArray[Any]) -> Tensor:
            padded = np.pad(pixels.astype(np.float32) / PEAK, margin, mode="symmetric")
            return torch.from_numpy(seen(padded, view).copy())

        y = patch_of(crop(image, top, left, (rows, columns)))
        return y, patch_of(estimate[:, top : top + rows, left : left + columns])

    def _name(self, path: Path) -> Path:
        return path.relative_to(self._base) if path.is_relative_to(self._base) else Path(path.name)

    def _files(self, path: Path) -> dict[Orientation, Path]:
        """Find an image's estimates, by orientation: all that keep A."""
        names = [self._name(path).with_suffix(suffix) for suffix in SUFFIXES]
        places = {view: [self._folder / FOLDERS[view] / name for name in names] for view in self._keep_a}
        files = {view: next((path for path in paths if path.is_file()), None) for view, paths in places.items()}
        return {view: path for view, path in files.items() if path is not None}

    def _estimate(self, path: Path, size: tuple[int, int]) -> NDArray[np.float16]:
        """Return the mean of an image's estimates, levels [C, H, W] of its size cropped to whole LR pixels."""
        if (kept := self._cache.get(path)) is not None:
            return kept
        wanted, total = self._kernel.whole_size(size), None
        files = self._files(path)
        for view, file in files.items():
            try:
                pixels = unseen(levels(decode(file, self._config.colours)), view).astype(np.float32)
            except UnreadableError as error:
                raise ImageError(f"{file}: not a readable estimate ({error})", "make it again") from error
            # Between the size that A's whole LR pixels have, cut off, and that of `mapsr downscale`'s, rounded up.
            if not all(w <= n < s + self._kernel.scale for w, n, s in zip(wanted, pixels.shape[1:], size, strict=True)):
                found, asked = (f"{w}×{h}" for h, w in (pixels.shape[-2:], size))
                raise ImageError(f"{file}: {found} pixels, but its image has {asked}", "estimates have their HR size")
            pixels = pixels[:, : wanted[0], : wanted[1]]
            total = pixels if total is None else total + pixels
        assert total is not None
        mean: NDArray[np.float16] = (total / len(files)).astype(np.float16)
        self._cache.keep(path, mean.nbytes, lambda: mean)
        return mean


def open_estimates(
    location: str,
    folder: Path,
    teacher: float,
    config: DataConfig,
    kernel: Kernel,
    rounded: bool,
    rank: int = 0,
    world: int = 1,
) -> Data:
    """Open batches for process `rank` of `world` of a folder or list of images with a folder of estimates of them.

    See `EstimatedImages`. Raises ImageError where an estimate is missing, UsageError for data that are no image files
    and for settings that change the images.
    """
    if changed := config.changes:
        raise UsageError(f"data.{changed[0]} changes the images, of which there are estimates", "leave it out")
    kind, share = kind_of(location), RankShare(config.batch, rank, world)
    if kind not in ("folder", "list"):
        raise UsageError("teacher.estimates needs image files", "--data takes a folder of images or a list of them")
    images = (folder_images if kind == "folder" else listed_images)(location, config, share)
    base = Path(location) if kind == "folder" else Path(location).parent
    source: PatchSource = EstimatedImages(images, base, folder, teacher, config, share, kernel, rounded)
    if config.degrades:
        source = DegradedSource(source, config, share, kernel)
    return Data(source, config.workers)

"""Image files: a folder tree of them, or a list."""

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from mapsr_cli.criteria.base import Patches
from mapsr_cli.errors import ImageError
from mapsr_cli.training.data.cache import PixelCache
from mapsr_cli.training.data.config import DataConfig, Draw, RankShare
from mapsr_cli.training.data.counts import Ledger
from mapsr_cli.training.data.decoding import (
    ByteLevels,
    UnreadableError,
    WholeImage,
    decode,
    levels,
    looks_like_image,
    oriented_size,
)
from mapsr_cli.training.data.patches import Candidate, first_usable, needs_padding, random_patch, stacked, too_small
from mapsr_cli.training.data.stream import BatchJob, numbered

EXPONENT = 0.75
"""An image is drawn with probability ∝ area^0.75: a larger one holds more that is new, but less than its area says."""


def folder_images(location: str, config: DataConfig, share: RankShare) -> "ImageFiles":
    """Open all images below a folder, except hidden ones, in the order of their paths.

    Raises ImageError where none is large enough for a patch.
    """
    folder = Path(location)
    paths = images_below(folder)
    if not paths and any(folder.glob("*.tar")):
        raise ImageError(f"{location}: no images, but tar shards", "say which ones: a .tar, or a pattern of them")
    return ImageFiles(location, paths, config, share)


def listed_images(location: str, config: DataConfig, share: RankShare) -> "ImageFiles":
    """Open the images that a text file names, one path per line, relative to its folder; # begins a comment line.

    Raises ImageError for a list that cannot be read, and where no image is large enough for a patch.
    """
    listing = Path(location)
    try:
        lines = [line.strip() for line in listing.read_text("utf-8-sig").splitlines()]
    except (OSError, ValueError) as error:
        raise ImageError(f"{location}: not a readable list ({error})", "one path per line, in UTF-8") from error
    return ImageFiles(location, [listing.parent / s for s in lines if s and not s.startswith("#")], config, share)


def images_below(folder: Path) -> list[Path]:
    """List what is named like an image in a folder and below it, except hidden ones, in the order of paths."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if looks_like_image(path.name))
    return sorted(folder / name for name in names if not any(part.startswith(".") for part in name.parts))


class ImageFiles:
    """Patches of image files, each sample from an image of its own choice. A source (see `stream.PatchSource`)."""

    def __init__(self, location: str, paths: Sequence[Path], config: DataConfig, share: RankShare) -> None:
        """Read every header. Raises ImageError where no image is large enough."""
        self.ledger = Ledger()
        self.ledger.saw(location, len(set(paths)))
        self._location, self._config, self._share = location, config, share
        self.paths, areas = self._large_enough(paths)
        """Of the images that are large enough."""
        if not self.paths:
            raise self._nothing()
        self._cumulative = np.cumsum(np.array(areas, dtype=np.float64) ** EXPONENT)
        self._cache = PixelCache[np.uint8](config.cache_mb)

    def jobs(self, start: int) -> Generator[BatchJob]:
        """Yield what makes batch `start`, `start` + 1, …: each a function of the batch's number alone."""
        return numbered(self._batch, start)

    def _large_enough(self, paths: Sequence[Path]) -> tuple[list[Path], list[int]]:
        with ThreadPoolExecutor(max(self._config.workers, 1)) as pool:
            sizes = list(pool.map(_size_or_none, paths))
        kept, areas = [], []
        for path, size in zip(paths, sizes, strict=True):
            if size is None:
                self.ledger.corrupt.add(str(path))
            elif too_small(size, self._config.patch):
                self.ledger.small.add(str(path))
            else:
                kept.append(path)
                areas.append(size[0] * size[1])
                if needs_padding(size, self._config.patch):
                    self.ledger.padded.add(str(path))
        return kept, areas

    def _batch(self, batch: int) -> Patches:
        return stacked([self._sample(number) for number in self._share.samples(batch)])

    def draw(self, number: int) -> tuple[Path, WholeImage, np.random.Generator]:
        """Draw the image of a sample: its path, its content, and the generator that draws a patch of it."""
        rng = self._config.rng(Draw.PATCH, number)
        chosen = int(np.searchsorted(self._cumulative, rng.random() * self._cumulative[-1], side="right"))
        usable = first_usable(self._from(chosen), self._config.patch, self.ledger)
        if usable is None:
            raise self._nothing()
        return Path(usable[0]), usable[1], rng

    def _sample(self, number: int) -> ByteLevels:
        _, image, rng = self.draw(number)
        return random_patch(image, self._config, rng)

    def _from(self, chosen: int) -> Iterator[Candidate]:
        """Yield the chosen image, and after it all others, in case it cannot be read."""
        for step in range(len(self.paths)):
            path = self.paths[(chosen + step) % len(self.paths)]
            yield str(path), partial(self._decoded, path)

    def _decoded(self, path: Path) -> WholeImage:
        if (kept := self._cache.get(path)) is not None:
            return kept
        image = decode(path, self._config.colours)
        size = image.width * image.height * self._config.colours
        self._cache.keep(path, size, lambda: np.ascontiguousarray(levels(image)))
        return image if (kept := self._cache.get(path)) is None else kept

    def _nothing(self) -> ImageError:
        counts, (height, width) = self.ledger.counts(), self._config.patch
        return ImageError(
            f"{self._location}: no readable image of at least {-(-height // 2)}×{-(-width // 2)} pixels "
            f"({counts.found} found, {counts.corrupt} corrupt, {counts.small} smaller)",
            "see --data and --patch",
        )


def _size_or_none(path: Path) -> tuple[int, int] | None:
    try:
        return oriented_size(path)
    except UnreadableError:
        return None

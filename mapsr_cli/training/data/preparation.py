"""Training images as tar shards of crops, without duplicates and without flat ones."""

import io
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.files import check_target, make_folder, write_bytes
from mapsr_cli.training.data.decoding import UnreadableError, decode, image_of, levels
from mapsr_cli.training.data.images import images_below
from mapsr_cli.training.data.patches import LUMA

HASH = 16
"""Differences per row, and rows, of a crop's fingerprint: 256 bits."""
THREADS = 4
Bits = NDArray[np.uint8]


@dataclass(frozen=True)
class Preparation:
    """How images become crops."""

    crop: int = 256
    """Side of a square crop, in pixels."""
    flat: float = 4.0
    """Crops whose luma has a smaller standard deviation than this, in levels of 255, are left out."""
    alike: int = 10
    """Of two crops whose fingerprints differ in this many of 256 bits or fewer, the later is left out."""
    shard: int = 500
    """Crops in a tar."""

    def __post_init__(self) -> None:
        """Refuse sizes below the least."""
        if min(self.crop, self.shard) < 1 or self.crop < HASH + 1:
            raise UsageError(f"crops of {self.crop} pixels, {self.shard} to a shard", f"at least {HASH + 1}, and 1")


@dataclass
class Prepared:
    """What became of the images."""

    images: int = 0
    """Read."""
    corrupt: int = 0
    """Images that could not be read."""
    small: int = 0
    """Images smaller than a crop."""
    crops: int = 0
    """Written."""
    flat: int = 0
    """Crops left out as flat."""
    duplicates: int = 0
    """Crops left out as duplicates."""
    shards: list[str] = field(default_factory=list)
    """Files written."""

    def counts(self) -> dict[str, int | list[str]]:
        """Return all of it as plain values."""
        return asdict(self)


def find_images(places: list[Path]) -> list[tuple[Path, Path]]:
    """List (folder, image) of all images below folders, sorted. Raises ImageError where there are none."""
    found = [(place, path) for place in places for path in images_below(place) if path.is_file()]
    if not found:
        raise ImageError(f"{', '.join(map(str, places))}: no images there", "give folders of pictures")
    return found


def prepare(
    images: list[tuple[Path, Path]],
    output: Path,
    how: Preparation,
    overwrite: bool,
    progress: Callable[[int, int], None],
) -> Prepared:
    """Write shards `output`/000000.tar, …: the same files for the same images and settings.

    Crops lie side by side, centred; names in a shard are those of their images. Raises FileError where a shard may not
    be written, DiskFullError where there is no room.
    """
    make_folder(output)
    done, known, waiting = Prepared(), _Fingerprints(how.alike), list[tuple[str, bytes]]()

    def write() -> None:
        path = output / f"{len(done.shards):06d}.tar"
        check_target(path, overwrite)
        write_bytes(path, _tar(waiting))
        done.shards.append(str(path))
        waiting.clear()

    with ThreadPoolExecutor(THREADS) as pool:
        queue = iter(images)
        ahead = [pool.submit(_crops, place, path, how) for place, path in islice(queue, 2 * THREADS)]
        for number in range(len(images)):
            crops = ahead.pop(0).result()
            ahead += [pool.submit(_crops, place, path, how) for place, path in islice(queue, 1)]
            progress(number + 1, len(images))
            if crops is None:
                done.corrupt += 1
                continue
            done.images += 1
            done.small += not crops
            for name, png, bits in crops:
                if png is None:
                    done.flat += 1
                elif known.seen(bits):
                    done.duplicates += 1
                else:
                    waiting.append((f"{done.crops:07d}-{name}.png", png))
                    done.crops += 1
                if len(waiting) == how.shard:
                    write()
    if waiting:
        write()
    return done


def _crops(place: Path, path: Path, how: Preparation) -> list[tuple[str, bytes | None, Bits]] | None:
    """Cut an image: (name, PNG or None for a flat crop, fingerprint) of each crop; None for an unreadable image."""
    try:
        pixels = levels(decode(path, 3))
    except UnreadableError:
        return None
    stem = "-".join(path.relative_to(place).with_suffix("").parts).replace(".", "-")  # a dot ends a sample's key
    return [
        (f"{stem}-{row}-{column}", _png(crop) if luma.std() >= how.flat else None, _fingerprint(luma))
        for row, column, crop in _grid(pixels, how.crop)
        for luma in (np.tensordot(LUMA, crop, 1),)
    ]


def _grid(pixels: NDArray[np.uint8], side: int) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Yield (row, column, crop) of the crops that fit in side by side, centred."""
    rows, columns = (n // side for n in pixels.shape[1:])
    top, left = (n % side // 2 for n in pixels.shape[1:])
    for row in range(rows):
        for column in range(columns):
            y, x = top + row * side, left + column * side
            yield row, column, pixels[:, y : y + side, x : x + side]


def _png(crop: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    image_of(crop).save(file, "PNG", compress_level=4)
    return file.getvalue()


def _fingerprint(luma: NDArray[np.float64]) -> Bits:
    """Compute whether each of 16 × 16 mean values is brighter than its left neighbour, as 32 bytes ("dHash")."""
    small = Image.fromarray(luma.astype(np.float32)).resize((HASH + 1, HASH), Image.Resampling.BOX)
    values = np.asarray(small)
    return np.packbits(values[:, 1:] > values[:, :-1])


class _Fingerprints:
    """Fingerprints of the crops so far."""

    def __init__(self, alike: int) -> None:
        self._alike, self._count = alike, 0
        self._known = np.zeros((1024, HASH * HASH // 8), np.uint8)

    def seen(self, bits: Bits) -> bool:
        """Return whether one like this is known; if not, keep it."""
        known = self._known[: self._count]
        if self._count and int(np.bitwise_count(known ^ bits).sum(1, dtype=np.int64).min()) <= self._alike:
            return True
        if self._count == len(self._known):
            self._known = np.concatenate([self._known, np.zeros_like(self._known)])
        self._known[self._count] = bits
        self._count += 1
        return False


def _tar(files: list[tuple[str, bytes]]) -> bytes:
    """Pack files as a tar that depends on names and bytes alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()

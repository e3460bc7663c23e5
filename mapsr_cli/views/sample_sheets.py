"""A sheet of a picture's samples, and a map of where they differ, from the files that hold them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mapsr_cli.imaging import Frames, Picture, Tags, encode, read_frames
from mapsr_cli.views.contact_sheet import cell_size, draw_sheet
from mapsr_cli.views.crops import block_means, busiest
from mapsr_cli.views.deviation import Spread
from mapsr_cli.views.map_frame import Caption
from mapsr_cli.views.screen import as_image, enlarged, levels_of, over_checks, part_of
from mapsr_cli.views.spread_map import draw_spread


@dataclass(frozen=True, eq=False)
class SampleFiles:
    """Upscaled files of one original. They are decoded one at a time, so many large ones take little memory.

    Of an animation, the first frame is shown.
    """

    original: Frames
    """What was upscaled."""
    files: tuple[Path, ...]
    """Two or more, in order."""
    size: tuple[int, int]
    """(width, height) of each sample."""

    def images(self) -> Iterator[Image.Image]:
        """Yield the samples in mode L, LA, RGB or RGBA. Raises ImageError for a file that is missing or damaged."""
        return map(self._image, self.files)

    def _image(self, path: Path) -> Image.Image:
        return as_image(self._picture(path))

    def _picture(self, path: Path) -> Picture:
        pixels = len(self.original.pictures) * math.prod(self.size)
        return read_frames(path, max_pixels=pixels).pictures[0]

    @property
    def sample(self) -> Picture:
        """The first sample, decoded. Raises ImageError as `images` does."""
        return self._picture(self.files[0])

    @property
    def first(self) -> Picture:
        """The original, or its first frame."""
        return self.original.pictures[0]

    @cached_property
    def spread(self) -> Spread:
        """How much they differ, as they are seen: transparent ones over a chequered ground."""
        spread = Spread()
        for path in self.files:  # of which one is held at a time
            spread.add(np.array(over_checks(self._image(path))))
        return spread

    @cached_property
    def busyness(self) -> NDArray[np.float64]:
        """Mean variance over blocks, for `busiest`."""
        return block_means(self.spread.variance, self.spread.size)

    def sheet(self, title: str) -> bytes:
        """Return a PNG of the original, enlarged by bicubic interpolation, and the samples, where they differ most."""
        size = width, height = self.spread.size
        side = cell_size(1 + len(self.files))
        box = left, top, right, bottom = busiest(self.busyness, size, (side, side))
        factor = self.size[0] / self.first.size[0]
        cells = [(f"input, bicubic ×{factor:g}", over_checks(enlarged(as_image(self.first), self.size, box)))]

        def cut(image: Image.Image) -> Image.Image:
            return over_checks(part_of(image, box))

        # By `map`, which lets go of an image before it asks for the next: they are large.
        cells += [(f"sample {n}", part) for n, part in enumerate(map(cut, self.images()), 1)]
        seen = f"{right - left}×{bottom - top} of {width}×{height} pixels, where they differ most"
        whole = (right - left, bottom - top) == size
        return self._png(draw_sheet(cells, title, f"the whole picture, {width}×{height} pixels" if whole else seen))

    def map(self, title: str) -> bytes:
        """Return a PNG of the standard deviation over the samples at each pixel."""
        overall, largest = self.spread.summary()
        verdict = f"standard deviation over the samples: {overall:.2f} levels overall, {largest:.1f} at most"
        return self._png(draw_spread(self.spread, Caption(title, verdict, "axes: pixels of the samples")))

    def _png(self, image: Image.Image) -> bytes:
        return encode(Picture(levels_of(image), tags=Tags(self.first.tags.icc)), "PNG", None, None)

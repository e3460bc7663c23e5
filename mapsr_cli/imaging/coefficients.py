"""What a JPEG stores of its picture: the DCT coefficients, as the file has them. Read by jpeglib, where it is there."""

import re
import tempfile
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import ImageFile
from torch import Tensor

from mapsr_cli.errors import ImageError
from mapsr_cli.files import write_bytes
from mapsr_cli.imaging.jpeg import without_metadata
from mapsr_cli.imaging.opening import OpenedFile, without_lines
from mapsr_cli.imaging.tag_reading import orientation
from mapsr_cli.operators import JpegCells, JpegTables, jpeg_cells

_LIBJPEG = re.compile(
    rb"Sorry, there are legal|"
    rb"[A-Z][\w ,-]+ (JPEG|SOS|scan|code|progression|data|file|library|markers|table|component)"
)
"""How the lines begin that libjpeg writes to standard error; the first is about arithmetic coding."""
_DAMAGE = re.compile(rb"Corrupt|Premature|Inconsistent|Invalid")
"""How those begin that it writes about damaged files, which it reads all the same."""
_SPACES = {"JCS_GRAYSCALE": 1, "JCS_YCbCr": 3, "JCS_RGB": 3}
"""Colours whose coefficients are evidence, and how many planes they have."""
_ONE_AT_A_TIME = threading.Lock()
"""jpeglib does not say that several threads may use it."""
MOST_FACTOR = 4
"""Pixels per sample along an axis that a JPEG may have."""


@dataclass(frozen=True, eq=False)
class JpegCoefficients:
    """The whole numbers that a JPEG stores. Blocks lie in the *stored* orientation, which EXIF may turn."""

    stored: tuple[Tensor, ...]
    """Of each plane [rows, columns, 8, 8] int16."""
    tables: JpegTables
    """Their steps, colours and grids."""
    turn: int = 1
    """EXIF orientation 1 … 8: what makes of the stored picture the one that is seen."""

    @property
    def distinct(self) -> "JpegCoefficients":
        """The same without chroma, where that says of no pixel that it has a colour: a grey picture saved as a coloured
        one."""
        if self.tables.planes == 1 or self.tables.rgb or any(bool(plane.any()) for plane in self.stored[1:]):
            return self
        tables = JpegTables(self.tables.steps[:1], self.tables.grids[:1])
        return JpegCoefficients(self.stored[:1], tables, self.turn)

    def cells(self, seen: Tensor) -> JpegCells:
        """Return the evidence, relative to the decoded picture as it is `seen` [C, h, w]; about the *stored* one."""
        return jpeg_cells(self.as_stored(seen), self.stored, self.tables)

    def rows_of_cells(self, stored: Tensor, rows: slice) -> JpegCells:
        """Return the evidence about some rows of the decoded picture in its `stored` orientation [C, h, w], in float64.

        They begin with a block of every plane.
        """
        blocks = [k[rows.start // (8 * down) :] for k, (down, _) in zip(self.stored, self.tables.grids, strict=True)]
        return jpeg_cells(stored[:, rows].double(), blocks, self.tables)

    def as_seen(self, image: Tensor) -> Tensor:
        """Turn the last two axes of a stored image as EXIF says."""
        image = image.flip(-1) if self.turn in (2, 3) else image
        image = image.flip(-2) if self.turn in (3, 4) else image
        image = image.mT if self.turn >= 5 else image
        image = image.flip(-1) if self.turn in (6, 7) else image
        return image.flip(-2) if self.turn in (7, 8) else image

    def as_stored(self, image: Tensor) -> Tensor:
        """Turn the last two axes of an image back from how it is seen."""
        image = image.flip(-2) if self.turn in (7, 8) else image
        image = image.flip(-1) if self.turn in (6, 7) else image
        image = image.mT if self.turn >= 5 else image
        image = image.flip(-2) if self.turn in (3, 4) else image
        return (image.flip(-1) if self.turn in (2, 3) else image).contiguous()


def read_coefficients(file: OpenedFile, image: ImageFile.ImageFile) -> JpegCoefficients:
    """Read the coefficients of a JPEG that `image` has opened. Not for several threads at once.

    Raises ImageError, in a few words, where they cannot be had: no jpeglib, CMYK, damaged or arithmetic-coded files.
    """
    if image.mode not in ("L", "RGB"):
        raise ImageError(f"{image.mode} is not supported")
    with without_lines(_LIBJPEG) as said:
        coefficients = read_sound(without_metadata(file.view().read()), orientation(image))
    if any(_DAMAGE.match(line) for line in said):
        raise ImageError("it is damaged")
    return coefficients


def read_sound(jpeg: bytes, turn: int = 1) -> JpegCoefficients:
    """Read the coefficients of a JPEG that is whole, such as one that was just made; of damage, lines are printed.

    `turn`: its EXIF orientation. Raises ImageError where they cannot be had.
    """
    if find_spec("jpeglib") is None:
        raise ImageError("jpeglib is not installed", "pip install jpeglib")
    import jpeglib

    with _ONE_AT_A_TIME, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "copy.jpg"
        write_bytes(path, jpeg)
        try:
            return _of(jpeglib.read_dct(str(path)), turn)
        except OSError as error:
            raise ImageError("its coding is not supported") from error


def _of(jpeg: Any, turn: int) -> JpegCoefficients:
    planes = _SPACES.get(jpeg.jpeg_color_space.name, 0)
    if not planes:
        raise ImageError(f"its colours ({jpeg.jpeg_color_space.name.removeprefix('JCS_')}) are not supported")
    stored = tuple(torch.from_numpy(np.array(plane)) for plane in (jpeg.Y, jpeg.Cb, jpeg.Cr)[:planes])
    steps = np.stack([jpeg.qt[table] for table in jpeg.quant_tbl_no[:planes]]).astype(np.float32)
    factors = np.asarray(jpeg.samp_factor)[:planes]
    most = factors.max(0)
    if (most % factors).any() or (most // factors > MOST_FACTOR).any() or (steps < 1).any():
        raise ImageError("its sampling is not supported")
    grids = tuple((int(most[0] // down), int(most[1] // across)) for down, across in factors)
    rgb = jpeg.jpeg_color_space.name == "JCS_RGB"
    return JpegCoefficients(stored, JpegTables(torch.from_numpy(steps), grids, rgb), turn)

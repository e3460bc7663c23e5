"""From an opened image to whole levels: modes, palettes, inks, depth."""

import io
import struct
import sys
import zlib
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile

from mapsr_cli.errors import ImageError
from mapsr_cli.imaging.formats import Holds
from mapsr_cli.imaging.opening import LIBTIFF, OpenedFile, without_lines
from mapsr_cli.imaging.tag_reading import orientation

Samples = NDArray[Any]
"""uint8, or uint16."""
_BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANES, _EXTRA_SAMPLES = 0x102, 0x106, 0x11C, 0x152
_FEW_BITS = ("BGR;16", "BGR;15", "RGB;16", "RGB;15")
"""Raw modes of a BMP whose pixels take 16 bits: five or six a sample."""
_OPPOSITE = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_DEEP_GREY = ("I;16", "I;16B", "I;16L", "I;16N")
_KEY_TIMES = {"L;2": 85, "L;4": 17}
"""Raw modes of grey that Pillow stretches to 8 bits, all but the level that is to be transparent."""
_AS_RGB = ("RGBX", "YCbCr", "HSV", "LAB")


@dataclass(frozen=True)
class DecodedFrame:
    """Samples [h, w, C] of the colour (1, 3 or 4 of them) and [h, w] of alpha, as they are to be seen."""

    colour: Samples
    alpha: Samples | None
    peak: int
    notes: tuple[str, ...] = ()
    inks_became_rgb: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.colour.shape[1], self.colour.shape[0]


def decode(image: ImageFile.ImageFile, file: OpenedFile, holds: Holds) -> DecodedFrame:
    """Decode the current frame of an opened image into what `holds` can take, turned as its EXIF says.

    `file` holds it. Raises ImageError for pixels that 8 or 16 bits of grey, RGB or CMYK cannot hold, or
    transparency where `holds` has none.
    """
    frame = _Reader(image, file, holds).read()
    frame = _shallow(frame, holds) if frame.peak > 255 and not holds.deep else frame
    colour, alpha = frame.colour, frame.alpha
    if alpha is not None and not holds.alpha:
        if int(alpha.min()) < frame.peak:
            raise ImageError(f"transparent pixels, which {holds.where} cannot hold", "save as PNG, WebP or TIFF")
        alpha = None
    if colour.shape[2] == 1 and not holds.grey:
        colour = np.repeat(colour, 3, axis=2)
    turn = orientation(image)
    turned = None if alpha is None else _turned(alpha, turn)
    return DecodedFrame(_turned(colour, turn), turned, frame.peak, frame.notes, frame.inks_became_rgb)


def inks_as_rgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    """Convert a CMYK image to sRGB, by its profile where that can be used; also returns by what it was converted."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, ImportError):
        converted = None
    if converted is None:
        return image.convert("RGB"), "the plain formula, for want of a profile"
    return converted, "its profile"


def _shallow(frame: DecodedFrame, holds: Holds) -> DecodedFrame:
    alpha = None if frame.alpha is None else in_8_bits(frame.alpha)
    note = f"reduced from 16 bits to 8, which is what {holds.where} holds"
    return DecodedFrame(in_8_bits(frame.colour), alpha, 255, (*frame.notes, note), frame.inks_became_rgb)


def in_8_bits(samples: Samples) -> Samples:
    """Round 16-bit samples to the nearest ones of 8 bits."""
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _turned(samples: Samples, turn: int) -> Samples:
    """Apply an EXIF orientation 1 … 8 to rows and columns."""
    if turn in (2, 3):
        samples = samples[:, ::-1]
    if turn in (3, 4):
        samples = samples[::-1]
    if turn >= 5:
        samples = samples.swapaxes(0, 1)
    if turn in (6, 7):
        samples = samples[:, ::-1]
    if turn in (7, 8):
        samples = samples[::-1]
    return samples


class _Reader:
    """Reads one frame; each mode in its own way."""

    def __init__(self, image: ImageFile.ImageFile, file: OpenedFile, holds: Holds) -> None:
        self.image, self.file, self.holds = image, file, holds

    def read(self) -> DecodedFrame:
        """Decode; libtiff's own lines on standard error are left out, and what it leaves out is noted."""
        with without_lines(LIBTIFF) if any(tile[0] == "libtiff" for tile in self.image.tile) else nullcontext():
            frame = self._read()
        return replace(frame, notes=(*frame.notes, *self._left_out()))

    def _left_out(self) -> tuple[str, ...]:
        """Name samples that the file does not say the meaning of, and that Pillow passes over."""
        unspecified: int = sum(kind == 0 for kind in getattr(self.image, "tag_v2", {}).get(_EXTRA_SAMPLES, ()))
        what = "a sample" if unspecified == 1 else f"{unspecified} samples"
        return (f"left out {what} per pixel whose meaning the file does not say",) * (unspecified > 0)

    def _read(self) -> DecodedFrame:
        image = self.image
        raw = {mode for mode in map(_raw_mode, image.tile) if mode not in _FEW_BITS}
        if any(";12" in mode for mode in raw):
            raise ImageError("12 bits a sample are not supported", "convert it to 16 bits first")
        if image.format == "PNG" and getattr(image, "n_frames", 1) > 1 and any(";16" in mode for mode in raw):
            # Pillow lays frames over one another in 8 bits.
            raise ImageError("animations of 16 bits are not supported", "convert it to 8 bits first")
        if self._deep_planes():
            raise ImageError("separate planes of 16 bits are not supported", "save it with interleaved samples first")
        if image.mode in _DEEP_GREY:
            return self._deep_grey()
        if any(";16" in mode for mode in raw):
            return self._deep_colour(raw)
        if image.mode in ("I", "F"):
            raise ImageError("32-bit samples are not supported", "convert it to 16 bits first")
        image.load()
        if image.mode in ("1", "L") and "transparency" in image.info:
            return self._grey_with_key(max((_KEY_TIMES.get(mode, 1) for mode in raw), default=1))
        return self._inks() if image.mode == "CMYK" else self._shallow_colour()

    def _shallow_colour(self) -> DecodedFrame:
        image: Image.Image = self.image
        if image.mode in ("PA", "La", "RGBa") or (image.mode == "P" and "transparency" in image.info):
            image = image.convert("LA" if image.mode == "La" else "RGBA")
        elif image.mode == "RGB" and "transparency" in image.info:
            image = image.convert("RGBA")
        elif image.mode == "1":
            image = image.convert("L")
        elif image.mode in ("P", *_AS_RGB):
            image = image.convert("RGB")
        if image.mode not in ("L", "LA", "RGB", "RGBA"):
            raise ImageError(f"pixel mode {image.mode} is not supported", "convert it to RGB first")
        samples = np.array(image)
        samples = samples[..., None] if samples.ndim == 2 else samples
        if image.mode in ("LA", "RGBA"):
            return DecodedFrame(samples[..., :-1], samples[..., -1], 255)
        return DecodedFrame(samples, None, 255)

    def _grey_with_key(self, times: int) -> DecodedFrame:
        """Read grey of which one level is transparent; Pillow has multiplied the samples by `times`."""
        samples = np.array(self.image.convert("L"))
        alpha = np.where(samples == times * self.image.info["transparency"], 0, 255).astype(np.uint8)
        return DecodedFrame(samples[..., None], alpha, 255)

    def _inks(self) -> DecodedFrame:
        image, profile = self.image, self.image.info.get("icc_profile")
        if self.holds.inks:
            return DecodedFrame(np.array(image), None, 255)
        converted, how = inks_as_rgb(image, profile)
        note = f"converted from CMYK to RGB by {how}"
        return DecodedFrame(np.array(converted), None, 255, (note,), inks_became_rgb=True)

    def _deep_grey(self) -> DecodedFrame:
        image = self.image
        white_is_zero = getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0
        image.load()
        samples = np.array(image).astype(np.uint16)
        if white_is_zero:
            samples = 65535 - samples
        clear = image.info.get("transparency")
        alpha = None if clear is None else np.where(samples == clear, 0, 65535).astype(np.uint16)
        return DecodedFrame(samples[..., None], alpha, 65535)

    def _deep_colour(self, raw: set[str]) -> DecodedFrame:
        """Read twice: Pillow keeps the high byte of a 16-bit sample, and in the other byte order the low one."""
        image = self.image
        (mode,) = raw
        if mode == "LA;16B":
            return self._deep_grey_with_alpha()
        if mode[:-1] not in ("RGB;16", "RGBA;16", "RGBX;16"):
            raise ImageError(f"16-bit pixels of the kind {mode} are not supported", "convert it to 16-bit RGB first")
        low = _reopened(image, self.file)
        swapped = mode[:-1] + _OPPOSITE[mode[-1]]
        low.tile = [_with_raw_mode(tile, swapped) for tile in low.tile]
        low.load()
        image.load()
        samples = np.array(image).astype(np.uint16) << 8 | np.array(low)
        if image.mode == "RGBA":
            return DecodedFrame(samples[..., :3], samples[..., 3], 65535)
        clear = image.info.get("transparency")
        if clear is None:
            return DecodedFrame(samples, None, 65535)
        hidden = (samples == np.array(clear)).all(axis=2)
        return DecodedFrame(samples, np.where(hidden, 0, 65535).astype(np.uint16), 65535)

    def _deep_grey_with_alpha(self) -> DecodedFrame:
        """Read a PNG of four bytes a pixel, filtered as four: as 8-bit RGBA they are the bytes themselves."""
        data = self.file.view().read()
        bytes_of = np.array(_opened(io.BytesIO(_relabelled(data, depth=8, colour_type=6)), self.image.format))
        self.image.load()
        pairs = bytes_of.astype(np.uint16)
        samples = pairs[..., 0::2] << 8 | pairs[..., 1::2]
        return DecodedFrame(samples[..., :1], samples[..., 1], 65535)

    def _deep_planes(self) -> bool:
        """Tell whether the samples of 16 bits are in separate planes, which Pillow would read as 8 bits."""
        tags = getattr(self.image, "tag_v2", {})
        depths = tags.get(_BITS_PER_SAMPLE, (8,))
        return tags.get(_PLANES) == 2 and len(depths) > 1 and max(depths) > 8


def _raw_mode(tile: ImageFile._Tile) -> str:
    return str(tile.args[0] if isinstance(tile.args, tuple) else tile.args)


def _with_raw_mode(tile: ImageFile._Tile, mode: str) -> ImageFile._Tile:
    return tile._replace(args=(mode, *tile.args[1:]) if isinstance(tile.args, tuple) else mode)


def _opened(file: IO[bytes], file_format: str | None) -> ImageFile.ImageFile:
    return Image.open(file, formats=[file_format or ""])


def _reopened(image: ImageFile.ImageFile, file: OpenedFile) -> ImageFile.ImageFile:
    again = _opened(cast(IO[bytes], file.view()), image.format)
    again.seek(image.tell())
    return again


def _relabelled(png: bytes, depth: int, colour_type: int) -> bytes:
    """Change the depth and the colour type in a PNG's header."""
    header = png[16:24] + struct.pack("BB", depth, colour_type) + png[26:29]
    return png[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + png[33:]

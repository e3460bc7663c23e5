"""JPEG files of every kind, made for tests."""

import io
import tempfile
from pathlib import Path

import jpeglib
import numpy as np
from PIL import Image, ImageOps

from tests.pictures import scene

GRIDS = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2), "4:1:1": (1, 4), "4:4:0": (2, 1)}
KINDS = [*GRIDS, "progressive", "grey", "RGB", "mozjpeg", "saved twice"]


def photograph(height: int, width: int, seed: int = 1, contrast: float = 0.6) -> Image.Image:
    """RGB with edges, textures and smooth parts, as a camera or a reduction gives them: no sharper than A y can be."""
    large = scene(4 * height, 4 * width, seed, contrast).byte().permute(1, 2, 0).numpy()
    return Image.fromarray(large).resize((width, height), Image.Resampling.BICUBIC)


def jpeg(kind: str, image: Image.Image, quality: int = 80, turn: int = 1) -> bytes:
    """Encode, with an EXIF orientation if it is not 1."""
    exif = Image.Exif()
    exif[0x112] = turn
    buffer = io.BytesIO()
    beside = {"exif": exif} if turn != 1 else {}
    if kind == "grey":
        image.convert("L").save(buffer, "JPEG", quality=quality, **beside)
    elif kind == "RGB":
        image.save(buffer, "JPEG", quality=quality, keep_rgb=True, **beside)
    elif kind == "saved twice":  # the first time with blocks that lie elsewhere
        padded = ImageOps.expand(image, (3, 5, 0, 0))
        once = Image.open(io.BytesIO(jpeg("4:2:0", padded, 60))).crop((3, 5, *padded.size))
        once.save(buffer, "JPEG", quality=quality, **beside)
    elif kind == "progressive":
        image.save(buffer, "JPEG", quality=quality, progressive=True, **beside)
    elif kind in ("4:4:4", "4:2:2", "4:2:0"):
        image.save(buffer, "JPEG", quality=quality, subsampling=kind, **beside)
    else:
        assert turn == 1
        return _by_jpeglib(kind, image, quality)
    return buffer.getvalue()


def _by_jpeglib(kind: str, image: Image.Image, quality: int) -> bytes:
    """By libjpeg, in a grid that Pillow does not write; or by mozjpeg, whose trellis moves levels."""
    spatial = jpeglib.from_spatial(np.ascontiguousarray(np.asarray(image)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jpg"
        if kind == "mozjpeg":
            with jpeglib.version("mozjpeg403"):
                spatial.write_spatial(str(path), qt=quality)
        else:
            down, across = GRIDS[kind]
            spatial.samp_factor = np.array([[down, across], [1, 1], [1, 1]])
            spatial.write_spatial(str(path), qt=quality)
        return path.read_bytes()

"""Encode whole levels into a file, all of it or nothing."""

import io
import os
import tempfile
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.imaging.provenance import Provenance
from mapsr_cli.imaging.reading import DESCRIPTION

_FORMAT_OF = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
LOSSY_QUALITY = 95


def output_format(name: str) -> str:
    """`PNG`, `JPEG`, `WEBP` or `TIFF` for a file name's suffix (`photo.jpg`) or a bare one (`jpg`)."""
    suffix = Path(name).suffix.lower() or f".{name.lower()}"
    if suffix not in _FORMAT_OF:
        raise UsageError(f"cannot write '{suffix}' files", "known suffixes: " + " ".join(_FORMAT_OF))
    return _FORMAT_OF[suffix]


def is_lossless(file_format: str, quality: int | None) -> bool:
    """Whether a file of that format keeps every level: PNG and TIFF always, WebP unless a quality is asked for."""
    return file_format in ("PNG", "TIFF") or (file_format == "WEBP" and quality is None)


def encode(levels: Tensor, file_format: str, quality: int | None, provenance: Provenance | None) -> bytes:
    """[C, H, W] whole levels 0 … 255 (C = 1 or 3) as the bytes of a file."""
    pixels = levels.byte().cpu()
    image = Image.fromarray((pixels[0] if pixels.shape[0] == 1 else pixels.permute(1, 2, 0)).contiguous().numpy())
    options: dict[str, object] = {}
    if file_format == "PNG":
        options = {"compress_level": 4, "pnginfo": _png_text(provenance)}
    else:
        exif = Image.Exif()
        if provenance is not None:
            exif[DESCRIPTION] = provenance.to_json()
        options = {"exif": exif}
        if file_format == "TIFF":
            options["compression"] = "tiff_adobe_deflate"
        elif is_lossless(file_format, quality):
            options |= {"lossless": True, "exact": True}
        else:
            options["quality"] = LOSSY_QUALITY if quality is None else quality
            if file_format == "JPEG":
                options["subsampling"] = "4:4:4"
    buffer = io.BytesIO()
    try:
        image.save(buffer, file_format, **options)
    except (OSError, ValueError) as error:
        size = f"{image.width}×{image.height}"
        raise ImageError(f"cannot encode {size} pixels as {file_format} ({error})", "save it as PNG") from error
    return buffer.getvalue()


def _png_text(provenance: Provenance | None) -> PngInfo:
    info = PngInfo()
    for key, value in (provenance.to_text() if provenance else {}).items():
        info.add_text(key, value)
    return info


def write_bytes(path: Path, data: bytes) -> None:
    """Write to a temporary file beside `path` and rename it: never a half-written file, whatever happens."""
    try:
        handle, partial = tempfile.mkstemp(prefix=".mapsr-", suffix=".partial", dir=path.parent)
    except OSError as error:
        raise ImageError(f"cannot write into {path.parent}: {error.strerror or error}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        Path(partial).chmod(0o666 & ~umask)
        Path(partial).replace(path)
    except BaseException as error:
        Path(partial).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise ImageError(f"cannot write {path}: {error.strerror or error}") from error
        raise


def write_picture(
    path: Path, levels: Tensor, *, quality: int | None = None, provenance: Provenance | None = None
) -> None:
    """Encode by the path's suffix and write atomically."""
    write_bytes(path, encode(levels, output_format(path.name), quality, provenance))

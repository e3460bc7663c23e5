"""What is compared: 8-bit LR = A(HR) rounded, 8-bit estimates; on luma without a border, or on RGB."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from mapsr_cli.errors import ImageError
from mapsr_cli.evaluation.metrics import luma, psnr, ssim
from mapsr_cli.imaging import read_picture
from mapsr_cli.operators import AnyKernel, Kernel, RatioKernel, downsampling, to_levels

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
PEAK = 255


@dataclass(frozen=True)
class Protocol:
    """How PSNR and SSIM are taken."""

    name: str
    """`y` or `rgb`."""
    y_only: bool
    """Whether luma stands for the colours."""
    shaved: bool
    """Whether `scale` pixels are cut from each side."""

    def describe(self, kernel: Kernel | RatioKernel) -> str:
        """Describe the protocol in a line to be printed beside the numbers."""
        colour = "BT.601 luma" if self.y_only else "RGB"
        border = f"{int(kernel.scale)} pixels shaved" if self.shaved else "whole image"
        return f"protocol {self.name}: {colour}, {border}; LR = A(HR) in 8 bits, A = {kernel.describe()}"

    def psnr(self, a: Tensor, b: Tensor, scale: int) -> float:
        """Compare [3, H, W] in [0, 1]: PSNR in dB, infinite where they are equal."""
        return psnr(self._part(a, scale), self._part(b, scale))

    def compare(self, a: Tensor, b: Tensor, scale: int) -> tuple[float, float]:
        """Compute (PSNR in dB, SSIM) of [3, H, W] in [0, 1]. Raises ImageError if SSIM's window does not fit."""
        a, b = self._part(a, scale), self._part(b, scale)
        return psnr(a, b), ssim(a, b)

    def _part(self, image: Tensor, scale: int) -> Tensor:
        part = luma(image)[None] if self.y_only else image
        return part[..., scale:-scale, scale:-scale] if self.shaved else part


PROTOCOLS = {"y": Protocol("y", y_only=True, shaved=True), "rgb": Protocol("rgb", y_only=False, shaved=False)}


@dataclass(frozen=True, eq=False)
class Pair:
    """An HR image and its LR original."""

    name: str
    """Stem of the HR file's name."""
    hr: Tensor
    """[3, s·h, s·w] float32, whole levels 0 … 255, cropped to a multiple of the scale."""
    lr: Tensor
    """[3, h, w] float32, whole levels 0 … 255: A(HR), clipped and rounded as a file has it."""
    kernel: AnyKernel
    """A."""

    @property
    def scale(self) -> int:
        """HR pixels per LR pixel, rounded down."""
        return self.hr.shape[-1] // self.lr.shape[-1]

    def hr_part(self, lr_part: tuple[slice, ...]) -> tuple[slice, ...]:
        """Return the rows and columns of HR that show the same as rows and columns of LR."""
        sizes = zip(lr_part, self.hr.shape[-2:], self.lr.shape[-2:], strict=True)
        return tuple(slice(span.start * m // n, span.stop * m // n) for span, m, n in sizes)


def images_in(folder: Path) -> list[Path]:
    """List the image files directly in a folder, by name. Raises ImageError where it may not be read."""
    with _reading(folder):
        images = (p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        return sorted(p for p in images if p.is_file())


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """Turn an OSError of looking into a folder into an ImageError."""
    try:
        yield
    except OSError as error:
        raise ImageError(f"{folder} cannot be read: {error.strerror or error}") from error


def find_sets(folder: Path) -> dict[str, list[Path]]:
    """Find HR images by test set: a folder's own images are one set; if it has none, each folder in it is one.

    Raises ImageError where there is no image, two have the same name, or a folder may not be read.
    """
    with _reading(folder):
        if not folder.is_dir():
            raise ImageError(f"{folder} is not a folder", "--data takes a folder of HR images, or of test sets")
        inner = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    if own := images_in(folder):
        sets = {folder.resolve().name: own}
    else:
        sets = {path.name: images_in(path) for path in inner}
    if not any(sets.values()):
        raise ImageError(f"{folder}: no images there", "--data takes a folder of HR images, or of test sets")
    for paths in sets.values():
        by_name(paths)
    return {name: paths for name, paths in sets.items() if paths}


def by_name(paths: Sequence[Path], suffix: str = "") -> dict[str, Path]:
    """Index paths by stem, without `suffix`. Raises ImageError where two have the same."""
    named: dict[str, Path] = {}
    for path in paths:
        name = path.stem.removesuffix(suffix)
        if name in named:
            raise ImageError(f"{named[name]} and {path.name} would both be '{name}'", "keep one of them there")
        named[name] = path
    return named


def read_levels(source: Path | bytes) -> Tensor:
    """Read a file, or its bytes, as [3, H, W] float32 in whole levels 0 … 255; grey as three equal channels."""
    picture = read_picture(source)
    return to_levels(picture.levels.float() * (PEAK / picture.peak), PEAK).expand(3, -1, -1)


def make_pair(path: Path, kernel: Kernel | RatioKernel) -> Pair:
    """Read HR from a file and make LR = A(HR). Raises ImageError for a file that cannot be read."""
    levels = read_levels(path)
    a = kernel.between((levels.shape[-2], levels.shape[-1]))
    height, width = a.whole_size((levels.shape[-2], levels.shape[-1]))
    hr = levels[:, :height, :width].contiguous()
    return Pair(path.stem, hr, to_levels(downsampling(a, (height, width)).down(hr), PEAK), a)


def pairs(folder: Path, kernel: Kernel, limit: int | None = None) -> Iterator[Pair]:
    """Yield the first `limit` pairs of a folder of HR images."""
    for path in images_in(folder)[:limit]:
        yield make_pair(path, kernel)

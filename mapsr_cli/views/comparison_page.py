"""A before/after page of pictures that exist as files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from mapsr_cli.errors import MapsrError, UsageError
from mapsr_cli.imaging import MAX_PIXELS, Frames, Picture, read_picture
from mapsr_cli.inference.verification import KernelChoice, read_hr, verify_files
from mapsr_cli.views.before_after import Compared, before_after
from mapsr_cli.views.screen import as_image, enlarged


class _Reader:
    """Decodes files of one picture, and keeps the last: pictures are large, and decoding them takes a while."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._last: tuple[Path, Frames] | None = None

    def __call__(self, path: Path) -> Frames:
        """Decode a file. Raises ImageError, also for an animation or a stack."""
        if self._last is None or self._last[0] != path:
            self._last = None  # before there is another
            self._last = path, read_hr(path, self._max_pixels, at_most=1)
        return self._last[1]


def comparison_page(paths: Sequence[Path], max_pixels: int = MAX_PIXELS) -> str:
    """Make an HTML page that compares pictures of files, the first with each of the others.

    Smaller ones are enlarged to the largest by bicubic interpolation. The page says which of them, made small again,
    give the first one back. Raises UsageError for fewer than two files, ImageError for one that cannot be read.
    """
    if len(paths) < 2:
        raise UsageError("a comparison takes two pictures or more")
    first = read_picture(paths[0], max_pixels=max_pixels)
    read = _Reader(64 * max_pixels)  # as large as what `upscale` makes of the largest original at x8
    names, sizes = [path.name for path in paths], [first.size]
    facts = [(names[0], _pixels(first.size))]
    for path in reversed(paths[1:]):  # so that the first one is at hand afterwards
        frames = read(path)
        sizes.append(frames.size)
        facts.insert(1, (path.name, f"{_pixels(frames.size)}{_verdict(paths[0], path, first.size, frames)}"))
    size = max(width for width, _ in sizes), max(height for _, height in sizes)

    def versions() -> Iterator[Image.Image]:
        for path in paths[1:]:
            yield _fitted(read(path).pictures[0], size)

    compared = Compared(first, size, names[1:], versions, before=_label(names[0], first.size, size))
    return before_after(" and ".join(names), f"{names[0]}, beside {', '.join(names[1:])}.", compared, facts)


def _fitted(picture: Picture, size: tuple[int, int]) -> Image.Image:
    image = as_image(picture)
    return image if image.size == size else enlarged(image, size)


def _label(name: str, own: tuple[int, int], size: tuple[int, int]) -> str:
    return name if own == size else f"{name}, bicubic ×{size[0] / own[0]:.3g}"


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]} pixels"


def _verdict(lr: Path, hr: Path, small: tuple[int, int], frames: Frames) -> str:
    """Say whether a larger picture gives the first one back; nothing where that has no meaning."""
    large = frames.size
    if large[0] <= small[0] or large[1] <= small[1]:
        return ""
    try:
        checked = verify_files(lr, hr, KernelChoice(), hr=frames)
    except MapsrError:
        return ""
    agreement = checked.consistency
    if agreement.evidence == "jpeg":
        kept = agreement.promise if agreement.holds else f"has {agreement.describe()}"
        return f"; downscaled by {checked.kernel.name} {checked.kernel.factor} it {kept}"
    share = f"{100 * agreement.share:.4f} % of its samples"
    given = "bit for bit" if agreement.share == 1 else share
    return f"; downscaled by {checked.kernel.name} {checked.kernel.factor} it gives {lr.name} back: {given}"

"""The page of `mapsr upscale --compare`: an original, enlarged by bicubic interpolation, and what became of it.

A page holds PIXELS in all its pictures together. What is larger is shown twice: the whole of it reduced, and the part
at full size that has most to see.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mapsr_cli import __version__
from mapsr_cli.imaging import Picture
from mapsr_cli.imaging.tags import Tags
from mapsr_cli.inference import Upscaler
from mapsr_cli.operators import Agreement, AnyKernel
from mapsr_cli.views.crops import block_means, busiest
from mapsr_cli.views.screen import Box, as_image, enlarged, levels_of, over_checks, part_of
from mapsr_cli.views.slider import View, page, slider

PIXELS = 12_000_000
"""About 15 MB of photographs, and never over 48 MB."""
_OVERVIEW = 0.25
"""Share of them for the whole of what is too large."""
_HELP = (
    "Drag across a picture, or use the arrow keys on its slider. Left and Right choose what is compared; "
    "+ and − zoom, d shows the difference."
)

Versions = Callable[[], Iterable[Image.Image]]
"""Gives the upscaled versions in mode L, LA, RGB or RGBA, of one size, one at a time and as often as asked."""
Facts = Sequence[tuple[str, str]]
"""What is to be said, and of what."""


@dataclass(frozen=True)
class Part:
    """What of a picture is shown."""

    box: Box
    """HR pixels."""
    times: int = 1
    """Its sides are divided by that, each square of pixels becoming their mean."""

    def of(self, image: Image.Image) -> Tensor:
        """Cut it out of an upscaled picture: levels [C, h, w]."""
        return levels_of(over_checks(part_of(image, self.box).reduce(self.times)))

    def enlarged(self, image: Image.Image, size: tuple[int, int]) -> Tensor:
        """Cut it out of an original enlarged to `size` (width, height): levels [C, h, w]."""
        return levels_of(over_checks(enlarged(image, size, self.box).reduce(self.times)))


@dataclass(frozen=True, eq=False)
class Compared:
    """What a page compares."""

    original: Picture
    """Of LR size."""
    size: tuple[int, int]
    """(width, height) of the versions."""
    labels: Sequence[str]
    """Of the versions."""
    images: Versions
    """The versions."""
    busyness: NDArray[np.float64] | None = None
    """Means over blocks of what is worth a look; by default, of how far the first version is from bicubic."""
    before: str | None = None
    """Label of the original; by default that it is the input, enlarged by bicubic interpolation."""

    def most(self, crop: tuple[int, int]) -> Box:
        """Find the part of that size (width, height) with the most to see."""
        means = self._unlike_bicubic() if self.busyness is None else self.busyness
        return busiest(means, self.size, crop)

    def _unlike_bicubic(self) -> NDArray[np.float64]:
        before = np.atleast_3d(np.array(over_checks(enlarged(as_image(self.original), self.size))))
        after = np.atleast_3d(np.array(over_checks(next(iter(self.images())))))

        def off(rows: slice) -> NDArray[np.float64]:
            difference: NDArray[np.float64] = np.abs(after[rows].astype(np.float64) - before[rows]).mean(2)
            return difference

        return block_means(off, self.size)


def before_after(title: str, lead: str, compared: Compared, facts: Facts) -> str:
    """Return the whole HTML document. `lead` is the one sentence to be read first."""
    sliders = "".join(_sliders(compared))
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n" for name, value in facts)
    body = (
        f"<h1>{escape(title)}</h1>\n<p>{escape(lead)}</p>\n{sliders}"
        f'<p class="soft">{escape(_HELP)}</p>\n<dl class="facts">\n{rows}</dl>\n'
    )
    return page(title, body)


def _sliders(compared: Compared) -> list[str]:
    """Make one slider over the whole pictures, or two over the parts that the page can hold."""
    width, height = compared.size
    limit = PIXELS // (1 + len(compared.labels))
    size, whole = f"{width} × {height} pixels", (0, 0, width, height)
    if width * height <= limit:
        (views,) = _views(compared, [Part(whole)])
        return [slider("Whole picture", views, size, right=1)]
    box = left, top, right, bottom = compared.most(_shape(compared.size, round((1 - _OVERVIEW) * limit)))
    times = math.ceil(math.sqrt(width * height / (_OVERVIEW * limit)))
    detail, overview = _views(compared, [Part(box), Part(whole, times)])
    most = "it is least like bicubic" if compared.busyness is None else "the samples differ most"
    cut = f"{right - left} × {bottom - top} of {size}, from ({left}, {top}) on, where {most}"
    reduced = f"to 1/{times}, as {size} are too many for a page: little of the new detail shows at this size"
    return [
        slider("Detail at full size", detail, cut, right=1),
        slider("Whole picture, reduced", overview, reduced, right=1),
    ]


def _shape(size: tuple[int, int], pixels: int) -> tuple[int, int]:
    """Choose width and height of a part with about so many pixels, as square as the whole allows."""
    side = math.isqrt(pixels)
    if size[0] < side:
        return size[0], min(pixels // size[0], size[1])
    return min(pixels // min(side, size[1]), size[0]), min(side, size[1])


def _views(compared: Compared, parts: Sequence[Part]) -> list[list[View]]:
    """Cut each part out of the enlarged original and of every version."""
    original, tags = as_image(compared.original), Tags(compared.original.tags.icc)
    before = compared.before or f"before: input, bicubic ×{compared.size[0] / compared.original.size[0]:g}"
    views = [[View(before, part.enlarged(original, compared.size), tags)] for part in parts]

    def cut(image: Image.Image) -> list[Tensor]:
        return [part.of(image) for part in parts]

    # By `map`, which lets go of an image before it asks for the next: they are large.
    for label, versions in zip(compared.labels, map(cut, compared.images()), strict=True):
        for shown, levels in zip(views, versions, strict=True):
            shown.append(View(label, levels, tags))
    return views


def describe_consistency(what: str, agreement: Agreement, kernel: AnyKernel) -> str:
    """Say in a sentence about `what` how much of the input the saved files give back."""
    through = f"{what}, downscaled by {kernel.name} {kernel.factor}"
    if agreement.evidence == "jpeg":
        return f"{through}, {agreement.promise if agreement.holds else f'has {agreement.describe()}'}."
    through += " and rounded,"
    if agreement.share == 1:
        return f"{through} is the input again, bit for bit."
    if agreement.holds:
        return f"{through} is within ±3 σ of every sample of the input."
    return f"{through} is the input with {agreement.describe()}."


def facts_of(upscaler: Upscaler, original: Picture, names: tuple[str, str], agreement: Agreement | None) -> Facts:
    """List what is known of one original and its versions, under the names of both."""
    settings, kernel = upscaler.settings, upscaler.kernel_for(original)
    width, height = original.size
    enlarged_height, enlarged_width = kernel.hr_size((height, width))
    source, target = names
    depth = "16 bits" if original.peak > 255 else "8 bits"
    promise = "" if settings.consistency == "bits" else f" (--consistency {settings.consistency})"
    strength = "" if settings.strength == 1 else f" (--strength {settings.strength:g})"
    return [
        ("Before", f"{source}: {width} × {height} pixels, {depth}; shown enlarged by bicubic interpolation"),
        ("After", f"{target}: {enlarged_width} × {enlarged_height} pixels"),
        ("Model", upscaler.model_for(original).card.name),
        *([("Texture", f"{settings.texture:g}")] if settings.texture is not None else []),
        ("Kernel", kernel.describe()),
        *([(agreement.name, f"{agreement.share:.6f}{promise}{strength}")] if agreement else []),
        *([("Seed", f"{settings.seed}")] if upscaler.model.noise_dim else []),
        ("SHA-256 of the input", original.sha256),
        ("Made by", f"mapsr {__version__}"),
    ]

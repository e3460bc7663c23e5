"""A before/after slider between any two versions of a picture, as HTML that needs nothing but itself.

`slider` makes a fragment, `page` a whole document around fragments: its style and script stand in `page.html`, pictures
are embedded without loss, and a content security policy keeps the browser from fetching anything. Without JavaScript
the versions stand side by side.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources

from torch import Tensor

from mapsr_cli.errors import UsageError
from mapsr_cli.imaging import Picture, Tags, encode, output_format

WEBP_LIMIT = 16383
"""Pixels a side."""


@dataclass(frozen=True, eq=False)
class View:
    """One version of a picture."""

    label: str
    """What the reader chooses it by."""
    levels: Tensor
    """[C, h, w] whole levels 0 … 255, C = 1 or 3. Smaller than another view, it is enlarged by nearest neighbour."""
    tags: Tags = field(default_factory=Tags)
    """With its colour profile, for the browser to show it by."""


def data_uri(levels: Tensor, tags: Tags | None = None) -> str:
    """Encode [C, h, w] whole levels 0 … 255 as a `data:` URI: lossless WebP, or PNG where it is too large for WebP."""
    kind = "webp" if max(levels.shape[-2:]) <= WEBP_LIMIT else "png"
    data = base64.b64encode(
        encode(Picture(levels.byte(), tags=tags or Tags()), output_format(kind), None, None)
    ).decode()
    return f"data:image/{kind};base64,{data}"


def slider(title: str, views: Sequence[View], note: str = "", left: int = 0, right: int = -1) -> str:
    """Return an HTML fragment for `page`; it first shows the views with indices `left` and `right`.

    Raises UsageError for fewer than two views.
    """
    if len(views) < 2:
        raise UsageError(f"{title}: a comparison takes two versions of a picture, not {len(views)}")
    height, width = (max(view.levels.shape[axis] for view in views) for axis in (-2, -1))
    first, second = (index % len(views) for index in (left, right))
    images = "\n".join(_image(view, width, height) for view in views)
    return (
        f'<figure class="slider" data-width="{width}" data-height="{height}" '
        f'data-left="{first}" data-right="{second}">\n'
        f"<figcaption><strong>{escape(title)}</strong> <small>{escape(note)}</small></figcaption>\n"
        f'<div class="views">\n{images}\n</div>\n</figure>\n'
    )


def _image(view: View, width: int, height: int) -> str:
    nearest = ' class="nearest"' if view.levels.shape[-1] < width else ""
    label = escape(view.label)
    return (
        f'<img{nearest} alt="{label}" title="{label}" width="{width}" height="{height}" draggable="false" '
        f'src="{data_uri(view.levels, view.tags)}">'
    )


def page(title: str, body: str) -> str:
    """Return a whole HTML document: `title` is text, `body` is HTML."""
    template = resources.files("mapsr_cli.views").joinpath("page.html").read_text("utf-8")
    return template.replace("{{title}}", escape(title)).replace("{{body}}", body)

"""Draw docs/images/strip.png, the picture at the top of README.md: a part of a bundled photograph, enlarged three ways.

python -m tools.front_page
"""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import mapsr_cli

ROOT = Path(__file__).parents[1]
PART = (72, 48, 144, 102)
"""One of the eyes of the cat, in pixels of examples/chelsea.png."""
SCALE = 4
GAP = 8
CAPTION = 26


def panels(photograph: Image.Image) -> dict[str, Image.Image]:
    """Enlarge PART of the photograph: as it is, by bicubic interpolation, and by mapsr (which sees all of it)."""
    part = photograph.crop(PART)
    size = (part.width * SCALE, part.height * SCALE)
    large = mapsr_cli.Upscaler("natural-x4-affmse")(photograph)
    left, top, right, bottom = PART
    return {
        "the original, 72 x 54 pixels": part.resize(size, Image.Resampling.NEAREST),
        "bicubic": part.resize(size, Image.Resampling.BICUBIC),
        "mapsr": large.crop((left * SCALE, top * SCALE, right * SCALE, bottom * SCALE)),
    }


def strip(pictures: dict[str, Image.Image]) -> Image.Image:
    """Lay pictures of one size side by side, each under its caption."""
    width, height = next(iter(pictures.values())).size
    sheet = Image.new("RGB", (len(pictures) * (width + GAP) - GAP, height + CAPTION), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (caption, picture) in enumerate(pictures.items()):
        left = number * (width + GAP)
        draw.text((left, 3), caption, fill="black", font=ImageFont.load_default(16))
        sheet.paste(picture, (left, CAPTION))
    return sheet


if __name__ == "__main__":
    photograph = Image.open(ROOT / "examples/chelsea.png").convert("RGB")
    strip(panels(photograph)).save(ROOT / "docs/images/strip.png", optimize=True)

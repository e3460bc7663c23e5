"""Draw the sheets of Figures 3, 4, 5 and 8 by models of the zoo, of pictures that may be shown.

    python -m tools.figure_sheets PICTURES --out docs/experiments

PICTURES holds faces/ (64×64, cropped as CelebA's), textures/ (grass) and photographs/, each of which is divided evenly
between Figures 5 and 8. `mapsr reproduce` draws the same sheets of the data that the figures are measured on, whose
pictures stay out of the repository.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

import mapsr_cli
from mapsr_cli.experiments.images.figures import picture_grid
from mapsr_cli.experiments.images.scores import estimates
from mapsr_cli.experiments.images.truths import centres, patches
from mapsr_cli.experiments.output import LABELS
from mapsr_cli.files import write_bytes

QUALITY = 88
"""Of the JPEG files."""
FACE, PATCH = 64, 128
"""HR pixels a side."""


@dataclass(frozen=True)
class Sheet:
    """Pictures by some methods of a family of the zoo."""

    family: str
    methods: tuple[str, ...]

    def by_picture(self, truths: Tensor) -> tuple[list[list[Tensor]], list[str]]:
        """Make (cells, titles of columns): of each picture x, y and each method's ŷ."""
        models = [mapsr_cli.load(f"{self.family}-{method}", clamp=False) for method in self.methods]
        x, _ = next(estimates(models[0], truths))
        outputs = [next(estimates(model, truths))[1] for model in models]
        columns = ["input x", "target y", *(LABELS[method] for method in self.methods)]
        return [list(row) for row in zip(x, truths, *outputs, strict=True)], columns


FIGURE3 = Sheet("grass-x4", ("affmse", "affgan", "affdg", "affll"))
FIGURE4 = Sheet("faces-x4", ("mse", "affmse", "softgan", "affgan"))
FIGURES58 = "natural-x4-affgan-gaussian9"


def write_sheet(
    path: Path, cells: Sequence[Sequence[Tensor]], columns: Sequence[str] = (), rows: Sequence[str] = ()
) -> None:
    """Write a grid of pictures as a JPEG, which for these is a quarter of a PNG's size."""
    drawn, data = picture_grid(path.with_suffix(".png"), cells, columns, rows), BytesIO()
    with Image.open(drawn) as image:
        image.convert("RGB").save(data, "JPEG", quality=QUALITY)
    write_bytes(path, data.getvalue())
    drawn.unlink()


def main() -> None:
    """Draw the four sheets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="folder with faces/, textures/ and photographs/")
    parser.add_argument("--out", type=Path, required=True, help="folder with faces/, grass/ and natural/ to write to")
    args = parser.parse_args()
    draw_sheets(args.pictures, args.out)


def draw_sheets(pictures: Path, out: Path) -> None:
    """Draw grass/fig3.jpg, faces/fig4.jpg, natural/fig5.jpg and natural/fig8.jpg. Raises ImageError."""
    for sheet, truths, name in (
        (FIGURE3, patches(pictures / "textures", PATCH, across=2), "grass/fig3.jpg"),
        (FIGURE4, centres(pictures / "faces", FACE), "faces/fig4.jpg"),
    ):
        write_sheet(out / name, *sheet.by_picture(truths))
    model = mapsr_cli.load(FIGURES58, clamp=False)
    photographs = centres(pictures / "photographs", PATCH)
    for name, truths in zip(("fig5", "fig8"), torch.tensor_split(photographs, 2), strict=True):
        x, outputs = next(estimates(model, truths))
        write_sheet(
            out / f"natural/{name}.jpg",
            [list(outputs), list(truths), list(x)],
            rows=("AffGAN ŷ", "target y", "input x"),
        )


if __name__ == "__main__":
    main()

"""An estimate that is reduced as it comes is what the whole one is, projected and then reduced."""

import pytest
import torch
from torch import Tensor

from mapsr_cli.inference.projection import chunks_for, project_in_place
from mapsr_cli.inference.reduced import Reduced
from mapsr_cli.networks import Affine, Constraint, Unconstrained
from mapsr_cli.operators import Kernel, Point, ResizingKernel, Strips, downsampling, make_kernel, make_strips
from tests.pictures import lr_of, scene
from tests.psfs import comet_kernel

LARGE, SMALL = (200, 168), (122, 97)


def strips_of(kernel: Kernel | ResizingKernel, size: tuple[int, int] = LARGE) -> Strips:
    return make_strips(downsampling(kernel, size, torch.float32), size=1 << 12)


def reduced(f: Tensor, kernel: Kernel, constraint: Constraint, x: Tensor, sides: tuple[int, ...]) -> Tensor:
    """Reduce f, given in tiles of the last of the sides, after others that were begun and given up."""
    made = Reduced(strips_of(kernel), strips_of(ResizingKernel("bicubic", (40, 33), SMALL), SMALL), len(f))
    for side in sides:
        for top in range(0, LARGE[0] if side == sides[-1] else 2 * side, side):
            for left in range(0, LARGE[1], side):
                rows, cols = slice(top, min(top + side, LARGE[0])), slice(left, min(left + side, LARGE[1]))
                made.put(rows, cols, f[:, rows, cols] / 255, 255)
    return made.projected(constraint, Point(x)).read(slice(0, SMALL[0]))


@pytest.mark.parametrize("sides", [(40,), (64,), (64, 32)])
@pytest.mark.parametrize("kind", ["bicubic", "measured", "free"])
def test_as_of_the_whole(kind: str, sides: tuple[int, ...]) -> None:
    kernel: Kernel = comet_kernel(4) if kind == "measured" else make_kernel("bicubic", 4)
    constraint: Constraint = Unconstrained(kernel) if kind == "free" else Affine(kernel)
    f = scene(*LARGE) + 20 * torch.randn(3, *LARGE, generator=torch.Generator().manual_seed(0))
    x, strips = lr_of(scene(*LARGE), kernel), strips_of(kernel)
    whole = chunks_for(strips, len(f))
    whole.write(slice(0, LARGE[0]), slice(0, LARGE[1]), LARGE[1], f)
    project_in_place(strips, whole, constraint, Point(x))
    small = downsampling(ResizingKernel("bicubic", SMALL, LARGE), LARGE, torch.float32)
    expected = small.down(whole.read(slice(0, LARGE[0])))
    assert (reduced(f, kernel, constraint, x, sides) - expected).abs().max() < 1e-3

"""What a JPEG says of its own coding: colours, chroma grids, quantisation steps; and the map to its coefficients.

A JPEG holds whole numbers k[p, b, u, v] (plane p, block b, frequencies u down and v across) and steps Q_p[u, v]. With
M the colours' matrix (BT.601 full range; the identity where the file stores RGB; one plane for grey), S_p the mean over
the pixels of one sample of plane p, and D the orthonormal 8 × 8 DCT,

    c_p(v) = D S_p (M v)_p,    k = round((c_p − shift) / Q_p),    shift = 128 · 8 at frequency 0 of luma (and of RGB).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.errors import UsageError

BLOCK = 8
"""Samples a side of a block."""
GRIDS = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2), "4:1:1": (1, 4), "4:4:0": (2, 1)}
"""Pixels (down, across) per sample of chroma, by the usual names."""
LOW = 4
"""Frequencies u + v below this count as low."""
YCC = (
    (0.299, 0.587, 0.114),
    (-0.299 / 1.772, -0.587 / 1.772, 0.5),
    (0.5, -0.587 / 1.402, -0.114 / 1.402),
)
"""Y, Cb and Cr (without their offset of 128) of R, G and B, as JFIF has them."""
SMALL = 96
"""Pixels a side of images, such as windows, whose blocks are transformed by one matrix per axis: calls take the time
there, not multiplications."""
MIDDLE = 128.0
"""The level that samples are stored relative to."""


@dataclass(frozen=True, eq=False)
class JpegTables:
    """The tables of one JPEG, or of a batch of them with the same planes and grids. Its maps are differentiable.

    Images are [..., C, h, w] in levels, C = 1 (grey) or 3. Coordinates are coefficients, times √(pixels per sample) so
    that noise of an image is as strong in all of them. They have the image's shape, too: a plane's lie in the first
    8 × 8 places of the pixels that their block covers (8 × 16 and more where chroma is subsampled). All other places,
    and the planes that a grey JPEG of an RGB image lacks, are 0; so are blocks that the border cuts.
    """

    steps: Tensor
    """[..., P, 8, 8] quantisation steps, in levels, of each plane stored: P = 1 (grey) or 3. Rows are frequencies down.
    In a batch the leading axes are the images'."""
    factors: tuple[tuple[int, int], ...] = (GRIDS["4:4:4"],)
    """Pixels (down, across) per sample, of each plane; one pair serves all."""
    rgb: bool = False
    """Whether the planes are R, G and B, as an Adobe marker may say, instead of Y, Cb and Cr."""

    @property
    def planes(self) -> int:
        """How many there are: P."""
        return self.steps.shape[-3]

    @property
    def grids(self) -> tuple[tuple[int, int], ...]:
        """Pixels (down, across) per sample, of each plane."""
        return self.factors * self.planes if len(self.factors) == 1 else self.factors

    @property
    def block(self) -> int:
        """Pixels a side of the square that the blocks of all planes fit into."""
        return BLOCK * math.lcm(*(n for grid in self.grids for n in grid))

    def largest(self, channels: int) -> float:
        """Return the largest eigenvalue of the map to coefficients times its transpose, for images of C channels."""
        return float(torch.linalg.matrix_norm(_colours(torch.empty(channels, 1, 1), self.rgb), 2)) ** 2

    def numbers(self) -> Tensor:
        """Return what a network is told [..., 4]: log₂ of the mean step, of luma low, high, of chroma low, high.

        Frequencies u + v < 4 are low. 0 is a step of one level, as of a lossless image; so is chroma that is not there.
        Of RGB, luma and chroma are the mean of all planes.
        """
        first, rest = self.steps[..., :1, :, :], self.steps[..., 1:, :, :]
        if self.rgb:
            first = rest = self.steps
        elif self.planes == 1:
            rest = torch.ones_like(first)
        frequencies = torch.arange(BLOCK, device=self.steps.device)
        low = frequencies[:, None] + frequencies < LOW
        means = [part[..., chosen].mean((-2, -1)) for part in (first, rest) for chosen in (low, ~low)]
        return torch.stack(means, -1).log2()

    def coefficients(self, v: Tensor) -> Tensor:
        """Compute c(v), scaled and without shift: images [..., C, h, w] → coordinates of that shape."""
        return self._blockwise(_mixed(v, _colours(v, self.rgb)), _forward)

    def adjoint(self, c: Tensor) -> Tensor:
        """Apply the transpose of `coefficients`: coordinates [..., C, h, w] → images."""
        return _mixed(self._blockwise(c, _transposed), _colours(c, self.rgb).mT)

    def lift(self, c: Tensor) -> Tensor:
        """Return the image [..., C, h, w] with these coordinates that changes Y, Cb and Cr (or RGB) least."""
        return _mixed(self._blockwise(c, _transposed), _colours(c, self.rgb, inverted=True))

    def lift_adjoint(self, v: Tensor) -> Tensor:
        """Apply the transpose of `lift`: images [..., C, h, w] → coordinates."""
        return self._blockwise(_mixed(v, _colours(v, self.rgb, inverted=True).mT), _forward)

    def quantise(self, v: Tensor) -> list[Tensor]:
        """Compute the whole numbers k of images [..., C, h, w]: of each plane [..., rows, columns, 8, 8].

        Only whole blocks are there. An encoder rounds Y, Cb and Cr to levels first, which moves some k by one.
        """
        stored = []
        for p, (c, grid) in enumerate(zip(self.coefficients(v).unbind(-3), self.grids, strict=False)):
            stored.append(((_blocks(c, grid) / gain(grid) - self._shift(p, c)) / self._steps(p, c)).round())
        return stored

    def decode(self, stored: Sequence[Tensor]) -> Tensor:
        """Return the images [..., P, h, w] of whole blocks that have the coefficients `stored`: not rounded or clipped.

        Chroma samples are repeated; decoders mostly interpolate them.
        """
        down, across = self.grids[0]
        size = stored[0].shape[-4] * BLOCK * down, stored[0].shape[-3] * BLOCK * across
        return self.lift(self.place(stored, size, self.planes))

    def place(self, stored: Sequence[Tensor], size: tuple[int, int], channels: int) -> Tensor:
        """Place the coefficients that `stored` k stand for, with shift, in coordinates [..., C, h, w].

        `stored` [..., rows, columns, 8, 8] of each plane may have blocks that the border of `size` (h, w) cuts. Raises
        UsageError where there are too few.
        """
        blocks = [
            gain(grid) * (k.to(self.steps) * self._steps(p, k) + self._shift(p, self.steps))
            for p, (k, grid) in enumerate(zip(stored, self.grids, strict=True))
        ]
        return self._placed(blocks, size, channels, 0.0)

    def half_steps(self, size: tuple[int, int], channels: int) -> Tensor:
        """Place half a step of each coefficient in coordinates [..., C, h, w]; ∞ where there is none."""
        blocks = []
        for p, (down, across) in enumerate(self.grids):
            rows, cols = size[0] // (BLOCK * down), size[1] // (BLOCK * across)
            half = gain((down, across)) * self._steps(p, self.steps) / 2
            blocks.append(half.expand(*self.steps.shape[:-3], rows, cols, BLOCK, BLOCK))
        return self._placed(blocks, size, channels, math.inf)

    def whole(self, size: tuple[int, int], channels: int) -> Tensor:
        """Return which places [C, h, w] hold coefficients of whole blocks."""
        return replace(self, steps=torch.ones(self.planes, BLOCK, BLOCK)).half_steps(size, channels).isfinite()

    def _placed(self, blocks: Sequence[Tensor], size: tuple[int, int], channels: int, other: float) -> Tensor:
        placed = [_place(block, size, grid, other) for block, grid in zip(blocks, self.grids, strict=True)]
        placed += [torch.full_like(placed[0], other)] * (channels - len(placed))
        return torch.stack(placed, -3)

    def _steps(self, plane: int, like: Tensor) -> Tensor:
        """Return a plane's steps [..., 1, 1, 8, 8], to go with blocks."""
        return self.steps[..., plane, None, None, :, :].to(like.device)

    def _shift(self, plane: int, like: Tensor) -> Tensor:
        shift = torch.zeros(BLOCK, BLOCK, dtype=like.dtype, device=like.device)
        if plane == 0 or self.rgb:
            shift[0, 0] = MIDDLE * BLOCK
        return shift

    def _blockwise(self, v: Tensor, map_of: Callable[[int], Tensor]) -> Tensor:
        """Apply a map of each block to every plane [..., C, h, w]; 0 for planes that are not stored."""
        channels, height, width = v.shape[-3:]
        if max(height, width) <= SMALL:
            factors = tuple(zip(*self.grids[:channels], strict=True))
            left, right = (
                _diagonal(map_of, n, factor, channels, v.dtype, v.device)
                for n, factor in zip((height, width), factors, strict=True)
            )
            return left @ v @ right.mT
        done = [
            _apply(plane, map_of(grid[0]).to(v), map_of(grid[1]).to(v))
            for plane, grid in zip(v.unbind(-3), self.grids, strict=False)
        ]
        done += [torch.zeros_like(done[0])] * (channels - len(done))
        return torch.stack(done, -3)


def gain(grid: tuple[int, int]) -> float:
    """Return the scale of a plane's coordinates: √(pixels per sample)."""
    return math.sqrt(grid[0] * grid[1])


@lru_cache
@torch.inference_mode(False)  # cached: later callers may differentiate
def _forward(factor: int) -> Tensor:
    """Return √factor times mean and DCT along one axis of a block: [8 · factor, 8 · factor], of which 8 rows are not 0.

    Those are orthonormal.
    """
    k, i = torch.arange(BLOCK, dtype=torch.float64)[:, None], torch.arange(BLOCK, dtype=torch.float64)
    basis = torch.cos(torch.pi * k * (2 * i + 1) / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    basis[0] /= math.sqrt(2)
    square = torch.zeros(BLOCK * factor, BLOCK * factor, dtype=torch.float64)
    square[:BLOCK] = basis.repeat_interleave(factor, 1) / math.sqrt(factor)
    return square


def _transposed(factor: int) -> Tensor:
    return _forward(factor).mT


@lru_cache
@torch.inference_mode(False)  # cached: later callers may differentiate
def _diagonal(
    map_of: Callable[[int], Tensor],
    side: int,
    factors: tuple[int, ...],
    channels: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """Return the map of every whole block along an axis of `side` pixels, of each plane: [C, side, side]."""
    maps = torch.zeros(channels, side, side, dtype=torch.float64)
    for plane, factor in zip(maps, factors, strict=False):
        whole = torch.kron(torch.eye(side // (BLOCK * factor), dtype=maps.dtype), map_of(factor).contiguous())
        plane[: len(whole), : len(whole)] = whole
    return maps.to(device, dtype)


def _colours(v: Tensor, rgb: bool, inverted: bool = False) -> Tensor:
    """Return M [C, C] for images [..., C, h, w], or its inverse."""
    return _colour_matrix(v.shape[-3], rgb, inverted, v.dtype, v.device)


@lru_cache
@torch.inference_mode(False)  # cached: later callers may differentiate
def _colour_matrix(channels: int, rgb: bool, inverted: bool, dtype: torch.dtype, device: torch.device) -> Tensor:
    plain = rgb or channels == 1
    matrix = torch.eye(channels, dtype=torch.float64) if plain else torch.tensor(YCC, dtype=torch.float64)
    return (torch.linalg.inv(matrix) if inverted else matrix).to(device, dtype)


def _mixed(v: Tensor, matrix: Tensor) -> Tensor:
    """Apply a matrix across channels."""
    return v if v.shape[-3] == 1 else torch.einsum("pc,...chw->...phw", matrix, v)


def _apply(plane: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Compute left · block · rightᵀ for each whole block of a plane [..., h, w]; 0 elsewhere."""
    (height, width), n, m = plane.shape[-2:], len(left), len(right)
    rows, cols = height // n, width // m
    done = ((_divided(plane, n, m) @ right.mT).transpose(-3, -1) @ left.mT).transpose(-3, -1)
    return functional.pad(done.flatten(-4, -3).flatten(-2), (0, width - cols * m, 0, height - rows * n))


def _divided(plane: Tensor, n: int, m: int) -> Tensor:
    """View a plane's whole blocks of n × m pixels: [..., h, w] → [..., rows, n, columns, m]."""
    rows, cols = plane.shape[-2] // n, plane.shape[-1] // m
    return plane[..., : rows * n, : cols * m].reshape(*plane.shape[:-2], rows, n, cols, m)


def _blocks(plane: Tensor, grid: tuple[int, int]) -> Tensor:
    """Take the coefficients of whole blocks out of a plane of coordinates [..., h, w]: [..., rows, columns, 8, 8]."""
    return _divided(plane, BLOCK * grid[0], BLOCK * grid[1]).transpose(-3, -2)[..., :BLOCK, :BLOCK]


def _place(blocks: Tensor, size: tuple[int, int], grid: tuple[int, int], other: float) -> Tensor:
    """Undo `_blocks`, for an image of `size` (h, w), with `other` in all other places. Raises UsageError."""
    (height, width), n, m = size, BLOCK * grid[0], BLOCK * grid[1]
    rows, cols = height // n, width // m
    if blocks.shape[-4] < rows or blocks.shape[-3] < cols:
        raise UsageError(f"{blocks.shape[-3]}×{blocks.shape[-4]} blocks are too few for {width}×{height} pixels")
    whole = functional.pad(blocks[..., :rows, :cols, :, :], (0, m - BLOCK, 0, n - BLOCK), value=other)
    plane = whole.transpose(-3, -2).flatten(-4, -3).flatten(-2)
    return functional.pad(plane, (0, width - cols * m, 0, height - rows * n), value=other)

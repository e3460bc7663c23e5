"""A, Aᵀ, A⁺ and Π of a measured point-spread function, which need not be separable.

A extends the image symmetrically, splits it into phases and convolves those; Aᵀ does the reverse. (AAᵀ)⁻¹ is by
conjugate gradients. Away from borders AAᵀ is a convolution on the LR grid, so its inverse is a division of spectra;
that division, on the mirrored LR image, is the preconditioner (for a PSF that is symmetric and centred it is the
inverse): 4 to 40 iterations where plain conjugate gradients take 30 to 3,000.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.operators.axis import CONDITION_LIMIT, condition_number, lr_length, refuse_singular
from mapsr_cli.operators.base import Downsampling
from mapsr_cli.operators.border import Border, make_border
from mapsr_cli.operators.conjugate_gradients import conjugate_gradients
from mapsr_cli.operators.polyphase import interleaved, polyphase
from mapsr_cli.operators.precision import exact_products
from mapsr_cli.operators.psf import Psf

LIMIT = CONDITION_LIMIT**2
"""Of the plane's condition number: that of two axes at their limit."""
SAMPLE = 16
"""LR pixels a side of the instance whose whole AAᵀ is computed, borders included."""
FREQUENCIES = 64
"""LR frequencies a side at which the spectrum of AAᵀ is sampled."""
MOST_ITERATIONS = 10_000
"""Iterations of conjugate gradients; near the limit of the condition number they take hundreds."""
STRIP_BYTES = 1 << 23
"""Approximate size of one HR plane of a strip."""
LEAST_ROWS = 32
"""LR rows in a strip, at least: more than A reads above and below a pixel."""
PLANES = 128
"""LR images with one pixel of 1 that A is applied to at a time."""

Linear = Callable[[Tensor], Tensor]


class _Apply(torch.autograd.Function):
    """y = M x, whose gradient is Mᵀ: the adjoint is known, so autograd need not find it."""

    generate_vmap_rule = True

    @staticmethod
    def forward(matrix: Linear, adjoint: Linear, x: Tensor) -> Tensor:
        return matrix(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Linear, Linear, Tensor], output: Tensor) -> None:
        ctx.matrix, ctx.adjoint = inputs[:2]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, None, Tensor]:
        return None, None, apply_linear(ctx.adjoint, ctx.matrix, grads[0])


def apply_linear(matrix: Linear, adjoint: Linear, x: Tensor) -> Tensor:
    """Apply M, differentiable to any order."""
    with exact_products(x.device):
        return cast(Tensor, _Apply.apply(matrix, adjoint, x))  # type: ignore[no-untyped-call]


@dataclass(frozen=True, eq=False)
class ConvolvedDownsampling(Downsampling):
    """A of a PSF. The gradient of the solve is another solve, as (AAᵀ)⁻¹ is its own adjoint."""

    kernel: Psf
    _size: tuple[int, int]
    """HR height and width."""
    _phases: Tensor  # [s², P, Q], see `polyphase`
    _rows: Border
    _cols: Border
    _inverse_spectrum: Tensor  # [2h, w + 1], of AAᵀ on the mirrored LR image

    @property
    def hr_size(self) -> tuple[int, int]:
        """(H, W) of the HR image."""
        return self._size

    @property
    def lr_size(self) -> tuple[int, int]:
        """(h, w) of the LR image."""
        return self._inverse_spectrum.shape[0] // 2, self._inverse_spectrum.shape[1] - 1

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that it computes in."""
        return self._phases.dtype

    @property
    def device(self) -> torch.device:
        """The device that it computes on."""
        return self._phases.device

    @property
    def condition(self) -> float:
        """Condition number of AAᵀ: of a periodic image, or of a small one with its borders, whichever is worse."""
        return _condition(self.kernel, self._size, self.ridge)

    def down(self, y: Tensor) -> Tensor:
        """Apply A: y [..., H, W] → [..., h, w]."""
        return apply_linear(self._down, self._adjoint, y)

    def adjoint(self, r: Tensor) -> Tensor:
        """Apply Aᵀ: r [..., h, w] → [..., H, W]."""
        return apply_linear(self._adjoint, self._down, r)

    def inverse_gram(self, r: Tensor) -> Tensor:
        """Apply (AAᵀ)⁻¹ by conjugate gradients: r [..., h, w] → [..., h, w]."""
        return apply_linear(self._solve, self._solve, r)

    def plan(self, size: int) -> list[slice]:
        """Divide LR rows into strips of about `size` bytes of HR, none of which needs more than those beside it."""
        (height, width), least = self.lr_size, max(LEAST_ROWS, 2 * self._phases.shape[1])
        count = max(size // (self.kernel.scale**2 * width * self.dtype.itemsize), least)
        starts = list(range(0, max(height - least, 0) + 1, count))
        return [slice(a, b) for a, b in zip(starts, [*starts[1:], height], strict=True)]

    def reads(self, part: slice) -> slice:
        """Return the LR rows whose HR rows are needed for LR rows `part` of A y."""
        before, after = self._lr_rows_around
        return slice(max(part.start - before, 0), min(part.stop + after, self.lr_size[0]))

    @property
    def _lr_rows_around(self) -> tuple[int, int]:
        """LR rows above and below an LR pixel that A reads."""
        before = len(self._rows.before) // self.kernel.scale
        return before, self._phases.shape[1] - 1 - before

    def _border(self, part: slice, origin: int) -> Border:
        """Return what `part` has of the upper and the lower border, for HR rows from `origin` on."""
        empty = self._rows.before[:0]
        first, last = part.start == 0, part.stop == self.lr_size[0]
        return Border(self._rows.before if first else empty, self._rows.after - origin if last else empty)

    def extended(self, y: Tensor) -> Tensor:
        """Extend HR images [..., H, W] by their reflections, so that A is a convolution with `taps` and a stride."""
        return self._cols.extend(self._rows.extend(y, -2), -1)

    @property
    def taps(self) -> Tensor:
        """Weights [s·P, s·Q] of the convolution of an extended image."""
        return functional.pixel_shuffle(self._phases, self.kernel.scale)[0]

    def _down(self, y: Tensor) -> Tensor:
        return self.down_rows(slice(0, self.lr_size[0]), y)

    def down_rows(self, part: slice, y: Tensor) -> Tensor:
        """Compute LR rows `part` of A y, [..., rows, w], from the HR rows of `reads(part)`. No autograd."""
        (_, w), (_, rows, cols), h = self.lr_size, self._phases.shape, part.stop - part.start
        border = self._border(part, self.hr(self.reads(part)).start)
        extended = self._cols.extend(border.extend(y.reshape(-1, 1, *y.shape[-2:]), -2), -1)
        phases = functional.pixel_unshuffle(extended, self.kernel.scale)  # [N, s², h + P − 1, w + Q − 1]
        # Each pixel's contribution to each tap, then every tap added where it belongs: conv2d is far slower in float64.
        contributions = (self._phases.flatten(1).T @ phases.flatten(2)).view(len(phases), -1, *phases.shape[-2:])
        x = contributions.new_zeros(len(phases), h, w)
        for tap, (u, v) in enumerate(product(range(rows), range(cols))):
            x.add_(contributions.select(1, tap).narrow(1, u, h).narrow(2, v, w))
        return x.reshape(*y.shape[:-2], h, w)

    def _adjoint(self, r: Tensor) -> Tensor:
        return self.adjoint_rows(slice(0, self.lr_size[0]), r)

    def adjoint_rows(self, part: slice, r: Tensor) -> Tensor:
        """Compute the HR rows of LR rows `part` of Aᵀ r, [..., rows, W], for r [..., h, w]. No autograd."""
        (before, after), height, cols = self._lr_rows_around, self.lr_size[0], self._phases.shape[2]
        # Where a border is folded back onto some of them, all rows that it is folded onto are needed.
        start = 0 if part.start < before else part.start
        stop = height if part.stop + after >= height else part.stop
        first = start - after - (before if start == 0 else 0)  # of the rows of r that reach them
        last = stop + before + (after if stop == height else 0)
        selected = r[..., max(first, 0) : min(last, height), :]
        margins = (cols - 1, cols - 1, max(-first, 0), max(last - height, 0))
        padded = functional.pad(selected.reshape(-1, 1, *selected.shape[-2:]), margins)
        phases = functional.conv2d(padded, self._phases.flip(-2, -1)[:, None])
        extended = interleaved(phases, self.kernel.scale)
        wanted, origin = self.hr(part), self.kernel.scale * start
        folded = self._cols.fold(self._border(slice(start, stop), origin).fold(extended, -2), -1)
        rows = folded[..., wanted.start - origin : wanted.stop - origin, :]
        return rows.reshape(*r.shape[:-2], *rows.shape[-2:])

    def _solve(self, r: Tensor) -> Tensor:
        tolerance = max(4 * torch.finfo(r.dtype).eps, 1e-13)
        return conjugate_gradients(self._gram, self._precondition, r, tolerance, MOST_ITERATIONS)

    def _gram(self, r: Tensor) -> Tensor:
        """Compute AAᵀ r + ridge·r strip by strip: only strips are of HR size."""
        strips = (self.down_rows(part, self.adjoint_rows(self.reads(part), r)) for part in self.plan(STRIP_BYTES))
        product = torch.cat(list(strips), -2)
        return product + self.ridge * r if self.ridge else product

    def _precondition(self, r: Tensor) -> Tensor:
        """Divide by the spectrum of AAᵀ between mirroring and its adjoint, which keeps it symmetric and positive."""
        h, w = self.lr_size
        mirrored = torch.cat([r, r.flip(-2)], -2)
        mirrored = torch.cat([mirrored, mirrored.flip(-1)], -1)
        z: Tensor = torch.fft.irfft2(torch.fft.rfft2(mirrored) * self._inverse_spectrum, s=(2 * h, 2 * w))
        z = z.narrow(-1, 0, w) + z.narrow(-1, w, w).flip(-1)
        return (z.narrow(-2, 0, h) + z.narrow(-2, h, h).flip(-2)) / 4


def spectrum(kernel: Psf, height: int, width: int) -> Tensor:
    """Compute the eigenvalues [height, width // 2 + 1] (float64) of AAᵀ on a periodic LR image.

    They are the rfft2 of the PSF's autocorrelation at steps of the scale.
    """
    weights = torch.from_numpy(kernel.plane()[0])[None, None]
    reach = [(size - 1) // kernel.scale for size in weights.shape[-2:]]
    margins = [kernel.scale * reach[1]] * 2 + [kernel.scale * reach[0]] * 2
    autocorrelation = functional.conv2d(functional.pad(weights, margins), weights, stride=kernel.scale)[0, 0]
    rows, cols = ((torch.arange(2 * r + 1) - r) % n for r, n in zip(reach, (height, width), strict=True))
    periodic = torch.zeros(height, width, dtype=torch.float64)
    periodic.index_put_((rows[:, None], cols[None, :]), autocorrelation, accumulate=True)
    return torch.real(torch.fft.rfft2(periodic))


def build_convolved(
    kernel: Psf, hr_size: tuple[int, int], dtype: torch.dtype, device: torch.device, ridge: float = 0.0
) -> ConvolvedDownsampling:
    """Build A for HR images of `hr_size`, whatever its condition number."""
    a, s = polyphase(kernel), kernel.scale
    h, w = (lr_length(n, s) for n in hr_size)
    rows, cols = (
        make_border(n, s * before, s * (m + after) - n, device)
        for n, m, before, after in zip(hr_size, (h, w), a.before, a.after, strict=True)
    )
    inverse_spectrum = (spectrum(kernel, 2 * h, 2 * w) + ridge).reciprocal().to(device, dtype)
    phases = a.weights.to(device, dtype)
    return ConvolvedDownsampling(kernel, ridge, hr_size, phases, rows, cols, inverse_spectrum)


def units(lr_size: tuple[int, int]) -> Iterator[Tensor]:
    """Yield the LR images with one pixel of 1 and the rest 0, in batches [PLANES, h, w] (float64)."""
    pixels = lr_size[0] * lr_size[1]
    return iter(torch.split(torch.eye(pixels, dtype=torch.float64).view(pixels, *lr_size), PLANES))


@lru_cache(maxsize=64)
def _sample_condition(kernel: Psf, hr_size: tuple[int, int], ridge: float) -> float:
    """Compute the condition number at a small size, from all of AAᵀ + ridge·I."""
    op = build_convolved(kernel, hr_size, torch.float64, torch.device("cpu"))
    gram = torch.cat([op.down(op.adjoint(part)).flatten(1) for part in units(op.lr_size)])
    return condition_number((gram + ridge * torch.eye(len(gram), dtype=gram.dtype)).numpy())


def _condition(kernel: Psf, hr_size: tuple[int, int], ridge: float) -> float:
    s = kernel.scale
    excess = [s * max(lr_length(n, s) - SAMPLE, 0) for n in hr_size]
    condition = _sample_condition(kernel, (hr_size[0] - excess[0], hr_size[1] - excess[1]), ridge)
    if not any(excess):
        return condition
    values = spectrum(kernel, FREQUENCIES, FREQUENCIES) + ridge
    return max(condition, (values.max() / values.min()).item() if values.min() > 0 else float("inf"))


@lru_cache(maxsize=16)
def convolved_downsampling(
    kernel: Psf, hr_size: tuple[int, int], dtype: torch.dtype, device: torch.device, ridge: float
) -> ConvolvedDownsampling:
    """Build A for HR images of `hr_size`; see `downsampling`. `ridge` is added to AAᵀ of the plane."""
    op = build_convolved(kernel, hr_size, dtype, device, ridge)
    refuse_singular(kernel, op.condition, LIMIT, ridge)
    return op

"""A from its definitions, in numpy alone: what `random_matrix.py` holds every claim against.

MATLAB's `imresize` with antialiasing: LR pixel i of n sees HR pixels j around u = (i + ½)·s − ½ with weights
k((j − u)/s), rows normalised, borders symmetric (indices run 0 … m−1, m−1 … 0, 0 …). Weights of `bicubic` and `box` are
rational, so their sums are exact integers over a common denominator; the others are float64, and a sample nearer than
TIE to the middle of two levels stays undecided, as an exact tie does: both roundings are right there.

A Gaussian of N taps is sampled about its middle; it and a measured kernel lie with their middle on the LR pixel's
centre, half a pixel before it where parity forbids that. A measured kernel is the picture of a point: convolution turns
it by 180°.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

TIE = 1e-7
"""Levels."""


def cubic(x: Fraction) -> Fraction:
    """Evaluate Keys' kernel with a = −1/2."""
    x = abs(x)
    if x <= 1:
        return Fraction(3, 2) * x**3 - Fraction(5, 2) * x**2 + 1
    return -Fraction(1, 2) * x**3 + Fraction(5, 2) * x**2 - 4 * x + 2 if x < 2 else Fraction(0)


def lanczos(x: Fraction) -> float:
    """Evaluate sinc(x) · sinc(x/3) on |x| < 3."""
    return float(np.sinc(float(x)) * np.sinc(float(x) / 3)) if abs(x) < 3 else 0.0


def box(x: Fraction) -> Fraction:
    """Evaluate the indicator of −1/2 … 1/2; at integer scales no pixel lies on the edge."""
    return Fraction(int(abs(x) <= Fraction(1, 2)))


RESIZING: dict[str, tuple[Any, int]] = {"bicubic": (cubic, 2), "lanczos3": (lanczos, 3), "box": (box, 1)}
"""Kernel function and a radius that holds its support."""


def folded(index: int, length: int) -> int:
    """Return the pixel that a symmetric border shows at an index outside 0 … length − 1."""
    index %= 2 * length
    return min(index, 2 * length - 1 - index)


def axis_rows(taps: list[tuple[int, Any]], scale: int, n: int) -> NDArray[Any]:
    """Make A along an axis, [n, n·scale], of (offset from scale·i, weight)."""
    exact = isinstance(taps[0][1], Fraction)
    rows: NDArray[Any] = np.zeros((n, n * scale), object if exact else np.float64)
    for i in range(n):
        for offset, weight in taps:
            rows[i, folded(scale * i + offset, n * scale)] += weight
    return rows


def axis_taps(name: str, scale: int, sigma: float | None) -> list[tuple[int, Any]]:
    """List (offset from scale·i, weight) of a kernel with a name, weights summing to one."""
    if name in RESIZING:
        function, radius = RESIZING[name]
        centre = Fraction(scale - 1, 2)
        offsets = range(math.floor(centre - radius * scale), math.ceil(centre + radius * scale) + 1)
        weights = [function((j - centre) / scale) for j in offsets]
    else:
        size = int(name.removeprefix("gaussian"))
        first = math.floor(Fraction(scale - size, 2))
        offsets = range(first, first + size)
        weights = [math.exp(-0.5 * ((j - (size - 1) / 2) / (sigma or 1.6)) ** 2) for j in range(size)]
    total = sum(weights)
    return [(j, w / total) for j, w in zip(offsets, weights, strict=True)]


@dataclass(frozen=True)
class Rounded:
    """A y for one plane: what its levels may be."""

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    """Equal to `low` but where two roundings are right."""


def rounded(values: NDArray[np.float64], peak: int) -> Rounded:
    """Clip to 0 … peak and round to levels, both ways at ties."""
    values = values.clip(0, peak)
    return Rounded(*(np.floor(values + 0.5 + side).clip(0, peak).astype(np.int64) for side in (-TIE, TIE)))


def by_axes(y: NDArray[np.int64], name: str, scale: int, sigma: float | None, peak: int) -> Rounded:
    """Apply a separable A to levels [H, W]."""
    taps = axis_taps(name, scale, sigma)
    down, across = (axis_rows(taps, scale, size // scale) for size in y.shape)
    if down.dtype != object:
        return rounded(down @ y.astype(np.float64) @ across.T, peak)
    unit = math.lcm(*(w.denominator for a in (down, across) for w in a.ravel() if w))
    whole = [np.array([[int(w * unit) for w in row] for row in a], np.int64).reshape(a.shape) for a in (down, across)]
    total, level = whole[0] @ y @ whole[1].T, unit * unit  # below 2⁶³ for every scale and depth
    clipped = total.clip(0, peak * level)
    low, rest = np.divmod(2 * clipped + level, 2 * level)
    return Rounded(low - (rest == 0), low)


def by_point(y: NDArray[np.int64], point: NDArray[np.float64], scale: int, peak: int) -> Rounded:
    """Apply the A of a measured kernel to levels [H, W]: `point` is the picture of a point."""
    weights = point[::-1, ::-1] / point.sum()
    first = [math.floor(Fraction(scale - size, 2)) for size in weights.shape]
    size = [n // scale for n in y.shape]
    total = np.zeros(size)
    for (p, q), weight in np.ndenumerate(weights):
        rows = [folded(scale * i + first[0] + p, y.shape[0]) for i in range(size[0])]
        cols = [folded(scale * j + first[1] + q, y.shape[1]) for j in range(size[1])]
        total += weight * y[np.ix_(rows, cols)]
    return rounded(total, peak)


def within(
    original: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64], share: float, worst: int
) -> str:
    """Say why the share of equal samples or the largest error cannot be what is claimed; empty where they can."""
    count = max(original.size, 1)
    surely, perhaps = ((low == original) & (high == original)).sum(), ((low == original) | (high == original)).sum()
    if not surely - 0.5 <= share * count <= perhaps + 0.5 and original.size:
        return f"a share of {share:.6f} is claimed, {surely / count:.6f} to {perhaps / count:.6f} is there"
    off = np.stack([abs(low - original), abs(high - original)])
    least, most = (int(end.max(initial=0)) for end in (off.min(0), off.max(0)))
    return "" if least <= worst <= most else f"at most {worst} levels off are claimed, {least} to {most} are there"

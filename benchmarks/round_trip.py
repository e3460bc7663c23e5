"""How much of an LR original the saved levels give back. `python benchmarks/round_trip.py --data shared/data/eval`."""

import argparse
import itertools
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mapsr_cli.evaluation.protocol import pairs
from mapsr_cli.imaging import read_picture
from mapsr_cli.inference import Upscaler
from mapsr_cli.operators import Consistency, SeparableKernel, downsampling, to_levels
from mapsr_cli.operators.axis import dense_a
from mapsr_cli.zoo import DEFAULT_MODEL, find_model, load_model

REACHES = 1, 2, 3, 5
"""LR pixels on each side of a sample among which contradictions are looked for, near ones first."""
CERTAIN = 1e-4
"""Levels beyond half a level that the linear program must find: far above its own error."""

Plane = NDArray[np.float64]
Places = NDArray[np.int64]


def downscaled(folder: Path, upscaler: Upscaler) -> Iterator[tuple[str, Tensor]]:
    for pair in pairs(folder, upscaler.kernel):
        yield pair.name, pair.lr


def crops(folder: Path, side: int = 256) -> Iterator[tuple[str, Tensor]]:
    for path in sorted(folder.glob("*.png")):
        levels = read_picture(path).levels
        top, left = ((n - side) // 2 for n in levels.shape[1:])
        yield path.stem, levels[:, top : top + side, left : left + side].float()


def least_error(x: Plane, rows: Places, cols: Places, a: tuple[Plane, Plane]) -> tuple[float, NDArray[np.bool_]]:
    """Find min max |A y − x| over the LR samples (rows[i], cols[i]) of x, over all y in range; `a`: A along each axis.

    Also return which of the samples suffice for that minimum: those with a multiplier, by duality.
    """
    from scipy.optimize import linprog

    parts = [axis[n][:, axis[n].any(axis=0)] for axis, n in zip(a, (rows, cols), strict=True)]
    both = np.einsum("ni,nj->nij", *parts).reshape(len(rows), -1)
    target = x[rows, cols]
    above, below = target < 255, target > 0  # saving clips: A y may lie beyond the range where x is at its end
    sides = np.vstack([both[above], -both[below]])
    solved = linprog(
        np.append(np.zeros(both.shape[1]), 1),
        A_ub=np.hstack([sides, -np.ones((len(sides), 1))]),
        b_ub=np.concatenate([target[above], -target[below]]),
        bounds=[(0, 255)] * both.shape[1] + [(0, None)],
        method="highs",
    )
    if solved.status != 0:
        raise ArithmeticError(solved.message)
    multipliers = np.zeros((2, len(rows)))
    multipliers[0, above], multipliers[1, below] = np.split(solved.ineqlin.marginals, [int(above.sum())])
    return float(solved.fun), np.abs(multipliers).max(0) > 0


def contradiction(
    x: Plane, free: NDArray[np.bool_], at: tuple[int, int], reach: int, a: tuple[Plane, Plane]
) -> tuple[Places, Places] | None:
    """Find free LR samples at most `reach` from (row, column) `at` of which no image gives all back; [] if none."""
    if not free[at]:
        return None
    top, left = (max(n - reach, 0) for n in at)
    rows, cols = free[top : at[0] + reach + 1, left : at[1] + reach + 1].nonzero()
    places = rows + top, cols + left
    error, enough = least_error(x, *places, a)
    if error <= 0.5 + CERTAIN:
        return None
    core = places[0][enough], places[1][enough]  # enough by duality; solved for again, to be sure
    return core if least_error(x, *core, a)[0] > 0.5 + CERTAIN else places


def least_wrong(x: Tensor, wrong: Iterable[tuple[int, int, int]], kernel: SeparableKernel) -> int:
    """Bound from below the number of LR samples of x [C, h, w] that any image gets wrong.

    `wrong`: (channel, row, column) of what our image got wrong, around which contradictions are searched. One sample
    of each is wrong, and contradictions without a common sample add up.
    """
    height, width = (dense_a(kernel, kernel.scale * n) for n in x.shape[1:])
    planes, free = x.double().numpy(), np.ones(x.shape, dtype=bool)
    count = 0
    for reach, (channel, *at) in itertools.product(REACHES, wrong):
        places = contradiction(planes[channel], free[channel], (at[0], at[1]), reach, (height, width))
        if places is not None:
            free[channel][places] = False
            count += 1
    return count


def wrong_samples(x: Tensor, levels: Tensor, upscaler: Upscaler) -> list[tuple[int, int, int]]:
    """List channel, row and column of the LR samples that the saved levels do not give back."""
    op = downsampling(upscaler.kernel, (levels.shape[1], levels.shape[2]), torch.float64)
    places = (to_levels(op.down(levels.double()), 255) != x.double()).nonzero()
    return [(c, i, j) for c, i, j in places.tolist()]


def report(title: str, images: Iterator[tuple[str, Tensor]], upscaler: Upscaler, certify: bool) -> None:
    shares = []
    kernel = upscaler.kernel
    assert isinstance(kernel, SeparableKernel)
    for name, x in images:
        began = time.perf_counter()
        levels, outcome = upscaler.upscale(x.byte())
        took = time.perf_counter() - began
        assert isinstance(outcome.consistency, Consistency)
        share = outcome.consistency.bit_exact
        shares.append(share)
        network, project = outcome.seconds["network"], outcome.seconds["project"]
        line = f"{title} {name}: bit_exact {share:.6f} worst {outcome.consistency.worst_levels} passes {outcome.passes}"
        line += f" network {network:.2f} s, projection and round trip {project:.2f} s of {took:.2f} s"
        if certify and share < 1:
            wrong = wrong_samples(x, levels, upscaler)
            line += f"; {len(wrong)} wrong samples, and any image has at least {least_wrong(x, wrong, kernel)}"
        print(line, flush=True)
    exact = sum(share == 1 for share in shares)
    print(f"{title}: exact on {exact} of {len(shares)} images, mean {sum(shares) / len(shares):.6f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with Set5, Set14, Kodak24")
    parser.add_argument("--certify", action="store_true", help="show which failures are nobody's fault (scipy)")
    args = parser.parse_args()
    torch.set_flush_denormal(True)
    upscaler = Upscaler(load_model(find_model(DEFAULT_MODEL)))
    for name in ("Set5", "Set14", "Kodak24"):
        report(f"{name}, downscaled", downscaled(args.data / name, upscaler), upscaler, args.certify)
    report("Kodak24, 256² crops", crops(args.data / "Kodak24"), upscaler, args.certify)


if __name__ == "__main__":
    main()

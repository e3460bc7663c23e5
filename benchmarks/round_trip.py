"""How much of an LR original the saved levels give back. `python benchmarks/round_trip.py --data shared/data/eval`."""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from mapsr_cli.evaluation.protocol import pairs
from mapsr_cli.imaging import read_picture
from mapsr_cli.inference import Upscaled, Upscaler
from mapsr_cli.operators import downsampling, to_levels
from mapsr_cli.operators.axis import dense_a
from mapsr_cli.zoo import DEFAULT_MODEL, find_model, load_model

NEIGHBOURHOOD = 5
"""LR pixels on each side of a sample that the linear program looks at."""


def downscaled(folder: Path, upscaler: Upscaler) -> Iterator[tuple[str, Tensor]]:
    for pair in pairs(folder, upscaler.kernel):
        yield pair.name, pair.lr


def crops(folder: Path, side: int = 256) -> Iterator[tuple[str, Tensor]]:
    for path in sorted(folder.glob("*.png")):
        levels = read_picture(path).levels
        top, left = ((n - side) // 2 for n in levels.shape[1:])
        yield path.stem, levels[:, top : top + side, left : left + side].float()


def least_error(x: Tensor, channel: int, row: int, col: int, upscaler: Upscaler) -> float:
    """Smallest possible max |A y − x| around a sample, over all y in range: above ½, no image gives x back."""
    import numpy as np
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix, hstack, kron, vstack

    s, reach = upscaler.kernel.scale, len(upscaler.kernel.taps)
    spans, factors = [], []
    for at, length in ((row, x.shape[1]), (col, x.shape[2])):
        first, last = max(at - NEIGHBOURHOOD, 0), min(at + NEIGHBOURHOOD + 1, length)
        a = dense_a(upscaler.kernel, s * length)[first:last]
        spans.append((first, last))
        factors.append(csr_matrix(a[:, max(s * first - reach, 0) : s * last + reach]))
    a = kron(*factors).tocsr()
    target = x[channel, slice(*spans[0]), slice(*spans[1])].double().numpy().ravel()
    one = csr_matrix(np.ones((a.shape[0], 1)))
    unbounded = 1e6  # saving clips: A y may lie beyond the range where x is at its end
    upper = target + np.where(target >= 255, unbounded, 0)
    lower = -target + np.where(target <= 0, unbounded, 0)
    cost = np.zeros(a.shape[1] + 1)
    cost[-1] = 1
    solved = linprog(
        cost,
        A_ub=vstack([hstack([a, -one]), hstack([-a, -one])]),
        b_ub=np.concatenate([upper, lower]),
        bounds=[(0, 255)] * a.shape[1] + [(0, None)],
        method="highs-ipm",
    )
    return float(solved.fun)


def impossible(x: Tensor, up: Upscaled, upscaler: Upscaler) -> tuple[int, int]:
    """(wrong samples of which none of any image's could be right together with their neighbours, wrong samples)."""
    op = downsampling(upscaler.kernel, (up.levels.shape[1], up.levels.shape[2]), torch.float64)
    wrong = (to_levels(op.down(up.levels.double()), 255) != x.double()).nonzero().tolist()
    return sum(least_error(x, *at, upscaler) > 0.5 for at in wrong), len(wrong)


def report(title: str, images: Iterator[tuple[str, Tensor]], upscaler: Upscaler, certify: bool) -> None:
    shares = []
    for name, x in images:
        began = time.perf_counter()
        up = upscaler(x)
        took = time.perf_counter() - began
        share = up.consistency.bit_exact
        shares.append(share)
        network, project = up.seconds["network"], up.seconds["project"]
        line = f"{title} {name}: bit_exact {share:.6f} worst {up.consistency.worst_levels} passes {up.passes}"
        line += f" network {network:.2f} s, projection and round trip {project:.2f} s of {took:.2f} s"
        if certify and share < 1:
            proven, wrong = impossible(x, up, upscaler)
            line += f"; {proven} of {wrong} wrong samples are in places where no image gives the original back"
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

"""How good an A⁺ can be fitted: kernels × scales × taps. `python benchmarks/fit_pinv.py`."""

import argparse
import time

from mapsr_cli.operators import examine, fit_pinv, make_kernel, solve_pinv

CASES = [
    *(("gaussian9", scale, taps) for scale in (2, 3, 4, 8) for taps in (3, 5, 7)),
    *(("bicubic", scale, 5) for scale in (2, 3, 4, 8)),
    *(("lanczos3", scale, 5) for scale in (2, 4)),
    ("gaussian8", 4, 5),
    ("box", 4, 1),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exact", action="store_true", help="least squares alone, which takes seconds")
    args = parser.parse_args()
    print(
        "| kernel | taps | exact: ℓ1 + ℓ2 | s | BA − (BA)ᵀ | inside | at the border | sgd: ℓ1 + ℓ2 | s | from exact |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, scale, taps in CASES:
        kernel = make_kernel(name, scale)
        began = time.perf_counter()
        solved = solve_pinv(kernel, taps)
        took, report = time.perf_counter() - began, examine(kernel, solved)
        line = f"| {name} ×{scale} | {taps}×{taps} | {report.total:.1e} | {took:.3f} | {report.penrose[3]:.1e} "
        line += f"| {report.interior_mse:.1e} | {report.border_mse:.1e} |"
        if not args.exact:
            began = time.perf_counter()
            fitted = fit_pinv(kernel, taps)
            took, total = time.perf_counter() - began, examine(kernel, fitted).total
            apart = float((fitted.kernels - solved.kernels).norm() / solved.kernels.norm())
            line += f" {total:.1e} | {took:.0f} | {apart:.1e} |"
        print(line, flush=True)


if __name__ == "__main__":
    main()

"""`mapsr fit-pinv`: fit A⁺ as a convolution."""

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.progress import progress_bar
from mapsr_cli.cli.report import document, failures, result, say, wrote
from mapsr_cli.errors import UsageError

if TYPE_CHECKING:
    from mapsr_cli.operators import ConvPinv, Kernel, PinvReport

POOR = 1e-6
"""Mean of (x − ABx)² inside the image, for white noise x of variance 1, from which on a note is printed."""
MANY_STEPS = 1000
"""Gradient steps from which on a note says how long they take."""


class FitMethod(StrEnum):
    """How to find A⁺."""

    sgd = "sgd"
    exact = "exact"


def fit_pinv(
    kernel: Annotated[str | None, options.kernel("gaussian9", options.EVERYDAY)] = None,
    sigma: Annotated[float | None, options.sigma(options.EVERYDAY)] = None,
    scale: Annotated[int | None, options.scale("4", options.EVERYDAY)] = None,
    taps: Annotated[
        int,
        typer.Option(
            metavar="K", help="Size of each of the scale² kernels: K×K taps.", rich_help_panel=options.EVERYDAY
        ),
    ] = 5,
    method: Annotated[
        FitMethod,
        typer.Option(
            metavar="sgd|exact",
            help="exact: least squares, at once. sgd: gradient descent on random images as in the paper, which takes "
            "minutes.",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = FitMethod.sgd,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of gradient steps of sgd.",
            show_default="4000",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    seed: Annotated[int | None, options.seed("Random seed for the images of sgd.", "0", options.EVERYDAY)] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.safetensors",
            help="File to save A⁺ to, for `train --pinv`.",
            show_default="not saved",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Draw the kernels of A and A⁺, as Figure 2d of the paper.",
            show_default="not drawn",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Find A⁺, the pseudo-inverse of downscaling by a kernel, as one convolution, and measure how good it is.

    A is the operator that makes a picture small: filter with the kernel, keep every fourth pixel. A⁺ makes it large
    again, with a convolution of scale² kernels and a pixel shuffle.
    """
    with failures(debug):
        from mapsr_cli import __version__
        from mapsr_cli.imaging import find_kernel, write_picture
        from mapsr_cli.operators import condition_number, examine
        from mapsr_cli.views.kernel_figure import draw_kernels
        from mapsr_cli.zoo import save_pinv

        _check_targets(kernel, output, picture, overwrite)
        a = find_kernel(kernel or "gaussian9", 4 if scale is None else scale, sigma)
        condition_number(a)  # refuses what has no inverse
        given = {name: value for name, value in (("steps", steps), ("seed", seed)) if value is not None}
        began = time.perf_counter()
        pinv, taken = _find(a, taps, method, given)
        figures: dict[str, Any] = {"steps": taken, "seconds": round(time.perf_counter() - began, 4)}
        report = examine(a, pinv)
        if output is not None:
            save_pinv(output, pinv, a, __version__)
        if picture is not None:
            write_picture(picture, draw_kernels(a, pinv))
        if report.interior_mse > POOR:
            say(f"note: {taps}×{taps} kernels found by {method.value} are no good inverse of {a.describe()}")
        if json:
            document({**_figures(report), **figures})
        else:
            _tell(a, pinv, report, figures)
        wrote(output, picture)


def _check_targets(kernel: str | None, output: Path | None, picture: Path | None, overwrite: bool) -> None:
    """Raise MapsrError for files that cannot be written."""
    from mapsr_cli.cli.paths import check_outputs
    from mapsr_cli.imaging import output_format
    from mapsr_cli.imaging.psf import PREFIX

    measured = [] if kernel is None else [Path(kernel.removeprefix(PREFIX))]
    check_outputs(overwrite, output, picture, inputs=measured)
    if output is not None and output.suffix != ".safetensors":
        raise UsageError(f"{output}: A⁺ is saved as a .safetensors file")
    if picture is not None:
        output_format(picture.name)


def _find(a: "Kernel", taps: int, method: FitMethod, given: dict[str, int]) -> tuple["ConvPinv", int]:
    """Return A⁺ and the number of steps that it took."""
    from mapsr_cli.operators import FitConfig, solve_pinv
    from mapsr_cli.operators import fit_pinv as descend

    if method is FitMethod.exact:
        return solve_pinv(a, taps), 0
    config = FitConfig(**given)
    if config.steps >= MANY_STEPS:
        say(f"{config.steps} steps take minutes; --method exact finds the least-squares solution in a second")
    with progress_bar() as update:
        pinv = descend(a, taps, config, lambda done, total: update(f"{a.name}: ℓ1 + ℓ2", done, total))
    return pinv, config.steps


def _figures(report: "PinvReport") -> dict[str, Any]:
    return {
        "l1": report.l1,
        "l2": report.l2,
        "total": report.total,
        "penrose": list(report.penrose),
        "interior_mse": report.interior_mse,
        "border_mse": report.border_mse,
        "condition": report.condition,
    }


def _tell(a: "Kernel", pinv: "ConvPinv", report: "PinvReport", figures: dict[str, Any]) -> None:
    how = f"{figures['steps']} steps in {figures['seconds']:.1f} s" if figures["steps"] else "least squares"
    conditions = zip(("ABA − A", "BAB − B", "AB − (AB)ᵀ", "BA − (BA)ᵀ"), report.penrose, strict=True)
    result(f"B for A⁺ of {a.describe()}: {len(pinv.kernels)} kernels of {pinv.taps}×{pinv.taps}, {how}")
    result(f"ℓ1 + ℓ2      {report.total:.2e}  (ℓ1 {report.l1:.2e}, ℓ2 {report.l2:.2e})")
    result(f"MSE(x, ABx)  {report.interior_mse:.2e} inside, {report.border_mse:.2e} at the border (x white noise)")
    result("Penrose      " + ", ".join(f"{name} {value:.1e}" for name, value in conditions))
    result(f"condition    {report.condition:.3g} of A Aᵀ")

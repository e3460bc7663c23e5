"""`mapsr verify`: does HR, downscaled by A, give LR?"""

from pathlib import Path
from typing import Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.report import document, failures, fetching, result, say


def verify(
    lr: Annotated[Path, typer.Argument(metavar="LR", help="The original.", show_default=False)],
    hr: Annotated[Path, typer.Argument(metavar="HR", help="The upscaled image.", show_default=False)],
    model: options.ModelName = None,
    kernel: options.KernelName = None,
    sigma: options.Sigma = None,
    scale: options.Scale = None,
    picture_of_it: Annotated[
        Path | None, typer.Option("--map", metavar="FILE.png", help="Draw where it does not hold.", show_default=False)
    ] = None,
    max_pixels: options.MaxPixels = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Does HR, downscaled by A, give LR? Exit code 0 only where it does, bit for bit."""
    with failures(debug):
        from mapsr_cli.imaging import MAX_PIXELS
        from mapsr_cli.inference.verification import KernelChoice, verify_files
        from mapsr_cli.views.difference_map import difference_picture
        from mapsr_cli.zoo import find_model

        choice = KernelChoice(model, kernel, sigma, scale)
        if model is not None:
            with fetching(model) as progress:
                choice = KernelChoice(str(find_model(model, progress)))
        checked = verify_files(lr, hr, choice, max_pixels or MAX_PIXELS)
        for note in checked.notes:
            say(f"note: {note}")
        if picture_of_it is not None:
            difference_picture(checked, lr, hr, picture_of_it)
        a = checked.kernel
        held = checked.consistency
        if json:
            summary = {"bit_exact": held.bit_exact, "worst_levels": held.worst_levels, "mse": held.mse}
            document({**summary, "lr_psnr": held.lr_psnr, "holds": held.holds})
        elif held.holds:
            result(f"holds: {hr}, downscaled by {a.describe()}, is {lr} bit for bit")
        else:
            worst, share = held.worst_levels, 100 * held.bit_exact
            off = f"{worst} level{'s' if worst > 1 else ''} off"
            result(f"does not hold: {share:.4f} % of samples agree, the worst is {off}, {a.describe()}")
        if not held.holds:
            raise typer.Exit(1)

"""`mapsr verify`: check that an upscaled picture gives its original back."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.progress import busy
from mapsr_cli.cli.report import document, evidence, failures, noise, result, say, wrote


def verify(
    lr: Annotated[Path, typer.Argument(metavar="ORIGINAL", help="The small picture, as it was upscaled.")],
    hr: Annotated[Path, typer.Argument(metavar="UPSCALED", help="The large picture that was made of it.")],
    model: Annotated[
        str | None, options.model("none", "Model whose kernel to take, instead of --kernel and --scale")
    ] = None,
    kernel: Annotated[str | None, options.kernel("as the metadata of UPSCALED say, or bicubic")] = None,
    sigma: Annotated[float | None, options.sigma()] = None,
    scale: Annotated[int | None, options.scale("as the metadata of UPSCALED say, or 4")] = None,
    picture_of_it: Annotated[
        Path | None,
        typer.Option(
            "--map",
            metavar="FILE.png",
            help="Draw a picture of where they differ.",
            show_default="none",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    max_pixels: options.MaxPixels = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Check that an upscaled picture, made small again, is the original bit for bit.

    The kernel is the filter that makes it small again. The exit code is 0 only where they agree.
    """
    with failures(debug):
        from mapsr_cli.imaging import MAX_PIXELS
        from mapsr_cli.inference.memory import within_memory
        from mapsr_cli.inference.verification import KernelChoice, verify_files
        from mapsr_cli.views.difference_map import check_map, difference_picture
        from mapsr_cli.zoo import find_model

        if picture_of_it is not None:
            check_map(picture_of_it, lr, hr, overwrite)
        choice = KernelChoice(model, kernel, sigma, scale)
        with busy(f"verifying {hr.name}") as fetched:
            if model is not None:
                choice = KernelChoice(str(find_model(model, fetched)))
            work = partial(verify_files, lr, hr, choice, max_pixels or MAX_PIXELS)
            checked = within_memory(work, f"verifying {hr}")
        for note in checked.notes:
            say(f"note: {note}")
        if picture_of_it is not None:
            difference_picture(checked, lr, hr, picture_of_it, overwrite)
        a = checked.kernel
        consistency = checked.consistency
        if json:
            names = ("bit_exact", "worst_levels", "mse", "lr_psnr", "holds")
            document({name: getattr(consistency, name) for name in names} | evidence(checked.original))
        elif consistency.holds:
            same = "is {} bit for bit" if consistency.bit_exact == 1 else "is within ±3 σ of every sample of {}"
            result(f"holds: {hr}, downscaled by {a.describe()}, {same.format(lr)}{noise(checked.original)}")
        else:
            result(f"does not hold: {consistency.describe()}, {a.describe()}")
        wrote(picture_of_it)
        if not consistency.holds:
            raise typer.Exit(1)

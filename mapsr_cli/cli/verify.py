"""`mapsr verify`: check that an upscaled picture gives its original back."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.progress import busy
from mapsr_cli.cli.report import document, failures, noise, result, say, wrote
from mapsr_cli.cli.report import evidence as evidence_of

if TYPE_CHECKING:
    from mapsr_cli.operators import Agreement


def verify(
    lr: Annotated[Path, typer.Argument(metavar="ORIGINAL", help="The small picture, as it was upscaled.")],
    hr: Annotated[Path, typer.Argument(metavar="UPSCALED", help="The large picture that was made of it.")],
    model: Annotated[
        str | None, options.model("none", "Model whose kernel to take, instead of --kernel and --scale")
    ] = None,
    kernel: Annotated[str | None, options.kernel("as the metadata of UPSCALED say, or bicubic")] = None,
    sigma: Annotated[float | None, options.sigma()] = None,
    scale: Annotated[int | None, options.scale("as the metadata of UPSCALED say, or 4")] = None,
    evidence: Annotated[
        options.EvidenceKind, options.evidence("auto: as the metadata of UPSCALED say, or jpeg")
    ] = options.EvidenceKind.auto,
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

    Of a JPEG, that its coefficients round to those which the file stores. The kernel is the filter that makes it small
    again. The exit code is 0 only where they agree.
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
            work = partial(verify_files, lr, hr, choice, max_pixels or MAX_PIXELS, evidence.value)
            checked = within_memory(work, f"verifying {hr}")
        for note in checked.notes:
            say(f"note: {note}")
        if picture_of_it is not None:
            difference_picture(checked, lr, hr, picture_of_it, overwrite)
        a = checked.kernel
        agreement = checked.consistency
        for note in agreement.notes():
            say(f"note: {lr}: {note}")
        if json:
            document(agreement.figures() | evidence_of(checked.original))
        elif agreement.holds:
            made = f"{hr}, downscaled by {a.describe()}"
            result(f"holds: {made}, {_same(agreement, lr)}{noise(checked.original)}")
        else:
            result(f"does not hold: {agreement.describe()}, {a.describe()}")
        wrote(picture_of_it)
        if not agreement.holds:
            raise typer.Exit(1)


def _same(agreement: "Agreement", lr: Path) -> str:
    """Say what a picture that agrees is to its original."""
    if agreement.evidence == "jpeg":
        return f"has every coefficient of {lr}"
    return f"is {lr} bit for bit" if agreement.share == 1 else f"is within ±3 σ of every sample of {lr}"

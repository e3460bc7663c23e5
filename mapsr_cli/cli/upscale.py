"""`mapsr upscale`: the main job."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.report import document, failures


class Consistency(StrEnum):
    """How much to promise."""

    bits = "bits"
    float = "float"
    none = "none"


def upscale(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="Images, folders, or - for a pipe.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="A file, or a folder.  [default: beside INPUT]"),
    ] = None,
    model: options.ModelName = None,
    kernel: options.KernelName = None,
    sigma: options.Sigma = None,
    consistency: Annotated[
        Consistency,
        typer.Option(help="bits: the saved file gives the input back; float: projected only; none: the network alone."),
    ] = Consistency.bits,
    tile: Annotated[str, typer.Option(metavar="auto|N|off", help="Tile side in input pixels.")] = "auto",
    device: options.Device = "auto",
    precision: options.NetworkPrecision = options.Precision.auto,
    file_format: Annotated[
        str | None, typer.Option("--format", help="png, tiff, webp (lossless) or jpg (lossy).  [default: png]")
    ] = None,
    quality: options.Quality = None,
    suffix: Annotated[str | None, typer.Option(help="Of output names.  [default: _x4 for a scale of 4]")] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders in folders too.")] = False,
    overwrite: options.Overwrite = False,
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Leave files that exist.")] = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Upscale images. The saved file, downscaled by the kernel and rounded, gives the input back bit for bit."""
    with failures(debug):
        from mapsr_cli.cli import paths
        from mapsr_cli.cli.batch import Batch, make_upscaler
        from mapsr_cli.imaging import output_format

        if overwrite and skip_existing:
            raise typer.BadParameter("--overwrite and --skip-existing exclude each other")
        if json and output == paths.PIPE:
            raise typer.BadParameter("--json and -o - would both use standard output")
        if file_format is not None:
            output_format(file_format)
        upscaler = make_upscaler(model, kernel, sigma, consistency.value, tile, device, precision.value)
        jobs = paths.plan(inputs, output, recursive, suffix or f"_x{upscaler.kernel.scale}", file_format)
        batch = Batch(upscaler, file_format, quality, overwrite, skip_existing, debug, quiet=json)
        batch.run(jobs)
        if json:
            document({"results": batch.results, "failed": batch.failed})
        if batch.failed:
            raise typer.Exit(1)

"""`mapsr upscale`: the main job."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.report import document, failures
from mapsr_cli.cli.startup import heavy_imports


class Consistency(StrEnum):
    """How much to promise."""

    bits = "bits"
    float = "float"
    none = "none"


def upscale(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            readable=False,  # one unreadable file does not end the batch
            help="Images, folders, patterns, lists (.txt: a path per line), or - for a pipe.",
            show_default=False,
        ),
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
    strength: Annotated[
        float,
        typer.Option(min=0, max=1, help="Below 1: a softer projection for noisy and JPEG inputs; no guarantee then."),
    ] = 1.0,
    tile: Annotated[str, typer.Option(metavar="auto|N|off", help="Tile side in input pixels.")] = "auto",
    device: options.Device = "auto",
    precision: options.NetworkPrecision = options.Precision.auto,
    file_format: Annotated[
        str | None, typer.Option("--format", help="png, tiff, webp, bmp; lossy: jpg, avif.  [default: png]")
    ] = None,
    quality: options.Quality = None,
    suffix: Annotated[str | None, typer.Option(help="Of output names.  [default: _x4 for a scale of 4]")] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders in folders too.")] = False,
    overwrite: options.Overwrite = False,
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Leave files that exist.")] = False,
    animate: Annotated[bool, typer.Option("--animate", help="Take animations and stacks, frame by frame.")] = False,
    max_pixels: options.MaxPixels = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Upscale images. The saved file, downscaled by the kernel and rounded, gives the input back bit for bit."""
    with failures(debug):
        with heavy_imports():
            from mapsr_cli.cli import paths
            from mapsr_cli.cli.batch import Batch, make_upscaler
            from mapsr_cli.imaging import MAX_PIXELS, output_format
            from mapsr_cli.inference.files import Output

        if overwrite and skip_existing:
            raise typer.BadParameter("--overwrite and --skip-existing exclude each other")
        if json and output == paths.PIPE:
            raise typer.BadParameter("--json and -o - would both use standard output")
        if file_format is not None:
            output_format(file_format)
        upscaler = make_upscaler(model, kernel, sigma, consistency.value, tile, device, precision.value, strength)
        suffix = suffix or f"_x{upscaler.kernel.scale}"
        sources = paths.find_sources(inputs, recursive, suffix)
        folder = output is not None and paths.is_folder(output, inputs, sources)
        jobs = paths.Share.from_environment().of(paths.plan(sources, output, folder, suffix, file_format))
        made = Output(output_format(file_format or "png"), quality, max_pixels or MAX_PIXELS, animate)
        batch = Batch(upscaler, made, file_format, overwrite, skip_existing, debug, quiet=json)
        batch.run(jobs)
        if json:
            document({"results": batch.results, "failed": batch.failed})
        if batch.failed:
            raise typer.Exit(1)

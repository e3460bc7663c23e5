"""`mapsr upscale`: the main job."""

from enum import StrEnum
from functools import partial
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
    backbone: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Instead of a model: any super-resolution network that spandrel loads (.safetensors, .pth).",
            show_default=False,
        ),
    ] = None,
    kernel: options.KernelName = None,
    sigma: options.Sigma = None,
    consistency: Annotated[
        Consistency,
        typer.Option(
            help="bits: the saved file gives the input back; float: projected only; none: the network alone, where "
            "that is a picture."
        ),
    ] = Consistency.bits,
    strength: Annotated[
        float,
        typer.Option(min=0, max=1, help="Below 1: a softer projection for noisy and JPEG inputs; no guarantee then."),
    ] = 1.0,
    samples: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=99,
            metavar="N",
            help="Of a stochastic model: photo_x4_1.png to photo_x4_N.png, a contact sheet (photo_x4_samples.png) "
            "and a map of where they differ (photo_x4_spread.png).",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="S", help="Of a stochastic model's noise (0).", show_default=False)
    ] = None,
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
    compare: Annotated[
        bool, typer.Option("--compare", help="A before/after page beside each output (photo_x4.html).")
    ] = False,
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
            from mapsr_cli.cli.sampling import SampledBatch, check_stochastic
            from mapsr_cli.errors import UsageError
            from mapsr_cli.imaging import MAX_PIXELS, output_format
            from mapsr_cli.inference.files import Output

        if overwrite and skip_existing:
            raise typer.BadParameter("--overwrite and --skip-existing exclude each other")
        if model is not None and backbone is not None:
            raise typer.BadParameter("--model and --backbone exclude each other")
        if json and output == paths.PIPE:
            raise typer.BadParameter("--json and -o - would both use standard output")
        if output == paths.PIPE and (samples or compare):
            what = "--samples writes several files" if samples else "--compare writes a page beside the output"
            raise UsageError(f"{what}: not through a pipe", "-o FILE or -o FOLDER")
        paths.check_naming(suffix, file_format)
        upscaler = make_upscaler(
            model, backbone, kernel, sigma, consistency.value, tile, device, precision.value, strength, seed or 0
        )
        if samples is not None or seed is not None:
            check_stochastic(upscaler)
        suffix = suffix or f"_x{upscaler.kernel.scale}"
        sources = paths.find_sources(inputs, recursive, suffix)
        folder = output is not None and paths.is_folder(output, inputs, sources)
        jobs = paths.plan(sources, output, folder, suffix, file_format)
        if overwrite:
            paths.refuse_replacing(jobs, samples)
        jobs = paths.Share.from_environment().of(jobs)
        made = Output(output_format(file_format or "png"), quality, max_pixels or MAX_PIXELS, animate)
        make_batch = partial(SampledBatch, count=samples) if samples else Batch
        batch = make_batch(upscaler, made, file_format, overwrite, skip_existing, compare, debug, quiet=json)
        batch.run(jobs)
        if json:
            document(batch.document())
        if batch.failed:
            raise typer.Exit(1)

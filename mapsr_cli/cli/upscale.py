"""`mapsr upscale`: make pictures larger."""

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.progress import busy
from mapsr_cli.cli.report import document, failures
from mapsr_cli.cli.startup import heavy_imports


class ConsistencyChoice(StrEnum):
    """How closely the result gives the input back."""

    bits = "bits"
    float = "float"
    none = "none"


def upscale(
    context: typer.Context,
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT",
            readable=False,  # one unreadable file does not end the batch
            help="Pictures, folders, patterns such as '*.jpg', lists of them (.txt, one path a line), or - for "
            "standard input.",
        ),
    ],
    output: Annotated[
        str | None,  # a Path would lose the slash at the end
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="File or folder to write to; - for standard output.",
            show_default="beside the input",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    scale: options.Scale = None,
    width: options.Width = None,
    height: options.Height = None,
    fit: options.Fit = None,
    megapixels: options.Megapixels = None,
    recursive: Annotated[
        bool,
        typer.Option(
            "--recursive",
            "-r",
            help="Take the pictures in subfolders, too.",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = False,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Leave out pictures whose output exists, as after an interruption.",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = False,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Write a page beside each output that shows before and after (photo_x4.html).",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = False,
    report: options.WithReport = False,
    animate: Annotated[
        bool,
        typer.Option(
            "--animate",
            help="Upscale every frame of animations and every page of TIFF files.",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = False,
    model: Annotated[str | None, options.model("natural-x4-affmse, or natural-x4-affmse-jpeg")] = None,
    backbone: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Use another super-resolution network instead of a model: a .safetensors or .pth file that spandrel "
            "can read.",
            show_default="none",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    network: options.Network = None,
    texture: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            min=0,
            max=1,
            help="How much texture is invented: from 0, none, the default model's picture, to 1. Every stop gives the "
            "input back. For models that have a twin which invents texture, as the default has.",
            show_default="the model alone",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=99,
            metavar="N",
            help="Make N different results of each picture, with a model that draws them at random. Writes "
            "photo_x4_1.png to photo_x4_N.png, all side by side (photo_x4_samples.png), and a map of where they "
            "differ (photo_x4_spread.png).",
            show_default="one result",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    seed: Annotated[
        int | None, options.seed("Random seed of a model that draws its results at random.", "0", options.MODEL)
    ] = None,
    consistency: Annotated[
        ConsistencyChoice,
        typer.Option(
            metavar="bits|float|none",
            help="bits: the saved file, made small again, is the input bit for bit. float: the same up to rounding. "
            "none: what the network gives, unchecked.",
            rich_help_panel=options.GUARANTEE,
        ),
    ] = ConsistencyChoice.bits,
    evidence: Annotated[
        options.EvidenceKind, options.evidence("auto: jpeg, where that can be had")
    ] = options.EvidenceKind.auto,
    kernel: Annotated[str | None, options.kernel("the model's own")] = None,
    sigma: Annotated[float | None, options.sigma()] = None,
    strength: Annotated[
        float,
        typer.Option(
            metavar="X",
            min=0,
            max=1,
            help="How far the network's picture is corrected to give the input back. Below 1 for noisy inputs; then "
            "there is no guarantee, and a JPEG counts by its levels.",
            rich_help_panel=options.GUARANTEE,
        ),
    ] = 1.0,
    noise: Annotated[
        str | None,
        typer.Option(
            metavar="SIGMA|auto",
            help="Take the input as noisy, of this standard deviation in levels of 255; auto estimates it. The result, "
            "made small again, is within three of them of every sample.",
            show_default="every sample is exact",
            rich_help_panel=options.GUARANTEE,
        ),
    ] = None,
    error_map: options.ErrorMap = None,
    confidence: options.Confidence = 0.9,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="Format of the output: png, tiff, webp, bmp, or jpg and avif, which lose the guarantee.",
            show_default="as -o PATH ends, or png",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    quality: options.Quality = None,
    label: options.Label = options.LabelChoice.auto,
    sign: options.Sign = None,
    sign_key: options.SignKey = None,
    suffix: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="End of the names of outputs, before the dot.",
            show_default="_x4, or the size asked for: _x2, _3000w",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    device: options.Device = "auto",
    precision: options.NetworkPrecision = options.Precision.auto,
    tile: Annotated[
        str,
        typer.Option(
            metavar="auto|N|off",
            help="Side of the squares, in input pixels, that a large picture is computed in. Smaller ones take less "
            "memory.",
            rich_help_panel=options.MACHINE,
        ),
    ] = "auto",
    max_pixels: options.MaxPixels = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Upscale pictures so that each result, made small again, is the original bit for bit.

    Of a JPEG, it agrees with every coefficient that the file stores instead. The kernel is the filter that makes it
    small again. `mapsr verify` checks a result.
    """
    with failures(debug):
        from mapsr_cli.zoo.finding import DEFAULT_MODEL

        with busy(f"loading {backbone or model or DEFAULT_MODEL}") as fetched:
            with heavy_imports():
                from mapsr_cli.cli import paths
                from mapsr_cli.cli.batch import Batch
                from mapsr_cli.cli.companions import BeforeAfter, Companion
                from mapsr_cli.cli.error_maps import plan_error_maps
                from mapsr_cli.cli.reports import Reports, asked_name, given_options, was_given
                from mapsr_cli.cli.sampling import SampledBatch, check_stochastic
                from mapsr_cli.cli.sources import PIPE, find_sources, is_folder
                from mapsr_cli.cli.upscaler import make_upscaler, read_noise
                from mapsr_cli.errors import UsageError
                from mapsr_cli.imaging import MAX_PIXELS, output_format
                from mapsr_cli.inference.files import Output
                from mapsr_cli.inference.sizes import request_size
                from mapsr_cli.networks import name_network
                from mapsr_cli.reports.signing import read_certificate

            if network is not None:
                name_network(network)
            if overwrite and skip_existing:
                raise typer.BadParameter("--overwrite and --skip-existing exclude each other")
            if sign_key is not None and sign is None:
                raise typer.BadParameter("--sign-key belongs to --sign")
            if error_map is None and was_given(context, "confidence"):
                raise typer.BadParameter("--confidence belongs to --error-map")
            if model is not None and backbone is not None:
                raise typer.BadParameter("--model and --backbone exclude each other")
            if json and output == str(PIPE):
                raise typer.BadParameter("--json and -o - would both use standard output")
            beside = {"--compare": compare, "--report": report, "--error-map": error_map}
            if output == str(PIPE) and (samples or any(beside.values())):
                option = next((name for name, given in beside.items() if given), "")
                what = "--samples writes several files" if samples else f"{option} writes a file beside the output"
                raise UsageError(f"{what}: not through a pipe", "-o FILE or -o FOLDER")
            paths.check_naming(suffix, file_format)
            size = request_size(scale, width, height, fit, megapixels)
            calibrated = DEFAULT_MODEL if error_map and backbone is None else None
            upscaler = make_upscaler(
                model or calibrated,
                backbone,
                kernel,
                sigma,
                consistency.value,
                tile,
                device,
                precision.value,
                strength,
                read_noise(noise),
                seed or 0,
                size,
                evidence.value,
                texture,
                fetched,
            )
        if samples is not None or seed is not None:
            check_stochastic(upscaler)
        if suffix is None:
            suffix = f"_x{upscaler.kernel.scale}" if size is None else size.suffix
        sources = find_sources(inputs, recursive, suffix)
        destination = paths.choose_destination(output, inputs, sources.files, file_format)
        jobs = paths.plan(sources.files, destination, suffix, file_format, samples)
        paths.check_quality(quality, (job.target for job in jobs), file_format)
        paths.refuse_replacing(jobs, samples, overwrite)
        paths.tell_sources(sources.outputs, jobs, samples)
        jobs = paths.Share.from_environment().of(jobs)
        kind = Output(
            output_format(file_format or "png"), quality, max_pixels or MAX_PIXELS, animate, label.value == "auto"
        )
        pages = [BeforeAfter(upscaler, kind.max_pixels)] if compare and not samples else []
        certificate = read_certificate(sign, sign_key or sign) if sign else None
        reports = Reports(upscaler, given_options(context), asked_name(model), certificate)
        reports.check(jobs, kind.file_format if file_format else None, indexed=report)
        several = len(sources.files) > 1 or any(map(is_folder, inputs))
        maps = [plan_error_maps(upscaler, error_map, confidence, jobs, samples, several)] if error_map else []
        companions: list[Companion] = [*pages, *([reports] if report else []), *([] if samples else maps)]
        make_batch = partial(SampledBatch, count=samples, compare=compare, error_maps=maps) if samples else Batch
        batch = make_batch(
            upscaler, kind, file_format, overwrite, skip_existing, companions, reports.signed, debug, quiet=json
        )
        for unreadable, error in sources.unreadable.items():
            batch.fail(unreadable, error)
        batch.run(jobs)
        reports.write_index(jobs, batch.failed)
        if json:
            document({**batch.document(), **({"error_bars": maps[0].describe()} if maps else {})})
        if batch.failed:
            raise typer.Exit(1)

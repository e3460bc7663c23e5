"""`mapsr downscale`: make pictures small by A."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.report import document, failures, result, say

if TYPE_CHECKING:
    from mapsr_cli.cli.paths import Job
    from mapsr_cli.operators import AnyKernel


def downscale(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="LARGE", help="The pictures to make small: files, folders, patterns.")
    ],
    output: options.FileOrFolder,
    scale: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Pixels of the large picture per pixel of the small one, along each side.",
            show_default="4",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            min=1,
            help="Width of the small picture, instead of --scale.",
            show_default="none",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Make it as large as this picture, instead of --scale.",
            show_default="none",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    kernel: Annotated[str | None, options.kernel("bicubic", options.EVERYDAY)] = None,
    sigma: Annotated[float | None, options.sigma(options.EVERYDAY)] = None,
    quality: options.Quality = None,
    overwrite: options.Overwrite = False,
    max_pixels: options.MaxPixels = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Make pictures small: filter with the kernel, keep every fourth pixel (or as --scale says), round and save."""
    with failures(debug):
        from mapsr_cli.cli.outcomes import Outcomes
        from mapsr_cli.cli.paths import check_quality, choose_destination, plan, refuse_replacing, tell_sources
        from mapsr_cli.cli.sources import find_sources, is_folder
        from mapsr_cli.imaging import MAX_PIXELS, read_picture
        from mapsr_cli.inference.sizes import reducing_kernel

        if (scale is not None) + (width is not None) + (like is not None) > 1:
            raise typer.BadParameter("--scale, --width and --like exclude each other")
        sources = find_sources(inputs, recursive=False, suffix=None)
        jobs = plan(sources.files, choose_destination(output, inputs, sources.files, None), None, None, None)
        check_quality(quality, (job.target for job in jobs))
        if overwrite:
            refuse_replacing(jobs)
        tell_sources([], jobs, None)
        max_pixels = max_pixels or MAX_PIXELS
        size = None if like is None else read_picture(like, max_pixels=max_pixels).size
        kernel_of = partial(reducing_kernel, kernel or "bicubic", sigma, scale=scale, width=width, size=size)
        several = len(sources.files) > 1 or any(map(is_folder, inputs))
        outcomes = Outcomes(len(jobs) + len(sources.unreadable), strict=debug or not several)
        for folder, error in sources.unreadable.items():
            with outcomes.of(folder):
                raise error
        for job in jobs:
            with outcomes.of(job.source):
                outcomes.results.append(_downscale(job, kernel_of, quality, overwrite, max_pixels, quiet=json))
        if json and several:
            outcomes.document()
        elif json:
            document(outcomes.results[0])
        outcomes.close()


def _downscale(
    job: "Job",
    kernel_of: "Callable[[tuple[int, int]], AnyKernel]",
    quality: int | None,
    overwrite: bool,
    max_pixels: int,
    quiet: bool,
) -> dict[str, Any]:
    """Make one picture small and say what came of it. Raises MapsrError."""
    from mapsr_cli.files import check_target, make_folder
    from mapsr_cli.imaging import FORMATS, output_format, read_picture, write_picture
    from mapsr_cli.inference.comparison import downscale_picture

    file_format = output_format(job.target.name)
    holds = FORMATS[file_format].holds
    check_target(job.target, overwrite)
    picture = read_picture(job.source, holds, max_pixels)
    for note in picture.notes:
        say(f"note: {job.source}: {note}")
    a = kernel_of(picture.size)
    small = downscale_picture(picture, a)
    if lost := small.tags.losses(file_format, len(small.levels)):
        say(f"note: {job.source}: {holds.where} cannot keep {', '.join(lost)}")
    make_folder(job.target.parent)
    write_picture(job.target, small, quality=quality)
    width, height = small.size
    if not quiet:
        result(f"{job.target}  {width}×{height}  {a.describe()}")
    return {
        "input": str(job.source),
        "output": str(job.target),
        "kernel": a.name,
        "scale": a.scale,
        "size": [width, height],
    }

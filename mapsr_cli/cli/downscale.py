"""`mapsr downscale`: make a picture small by A."""

from pathlib import Path
from typing import Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.report import document, failures, result, say


def downscale(
    hr: Annotated[Path, typer.Argument(metavar="LARGE", help="The picture to make small.")],
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
    """Make a picture small: filter it with the kernel, keep every fourth pixel (or as --scale says), round and save."""
    with failures(debug):
        from mapsr_cli.cli.paths import Job, choose_destination, refuse_replacing
        from mapsr_cli.cli.sources import Source
        from mapsr_cli.files import check_target, make_folder
        from mapsr_cli.imaging import FORMATS, MAX_PIXELS, output_format, read_picture, write_picture
        from mapsr_cli.inference.comparison import downscale_picture
        from mapsr_cli.inference.sizes import reducing_kernel

        if (scale is not None) + (width is not None) + (like is not None) > 1:
            raise typer.BadParameter("--scale, --width and --like exclude each other")
        destination = choose_destination(output, [hr], [Source(hr)], None)
        assert destination is not None
        target = destination.target(f"{hr.stem}.png")
        file_format = output_format(target.name)
        holds = FORMATS[file_format].holds
        check_target(target, overwrite)
        if overwrite:
            refuse_replacing([Job(hr, target)])
        picture = read_picture(hr, holds, max_pixels or MAX_PIXELS)
        for note in picture.notes:
            say(f"note: {hr}: {note}")
        size = read_picture(like, holds, max_pixels or MAX_PIXELS).size if like is not None else None
        a = reducing_kernel(kernel or "bicubic", sigma, picture.size, scale=scale, width=width, size=size)
        small = downscale_picture(picture, a)
        if lost := small.tags.losses(file_format, len(small.levels)):
            say(f"note: {hr}: {holds.where} cannot keep {', '.join(lost)}")
        if destination.folder:
            make_folder(destination.path)
        write_picture(target, small, quality=quality)
        width, height = small.size
        if json:
            document(
                {"input": str(hr), "output": str(target), "kernel": a.name, "scale": a.scale, "size": [width, height]}
            )
        else:
            result(f"{target}  {width}×{height}  {a.describe()}")

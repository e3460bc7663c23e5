"""`mapsr downscale`: apply A."""

from pathlib import Path
from typing import Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.report import document, failures, result


def downscale(
    hr: Annotated[Path, typer.Argument(metavar="HR", help="The large image.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="LR", help="Where to save the small one.")],
    kernel: options.KernelName = None,
    sigma: options.Sigma = None,
    scale: options.Scale = None,
    quality: options.Quality = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Apply A: downscale HR by the kernel (bicubic) and scale (4), round, and save."""
    with failures(debug):
        from mapsr_cli.cli.paths import refuse_existing
        from mapsr_cli.imaging import find_kernel, output_format, read_picture, write_picture
        from mapsr_cli.operators import downsampling, to_levels

        a = find_kernel(kernel or "bicubic", 4 if scale is None else scale, sigma)
        output_format(output.name)
        refuse_existing(output, overwrite)
        picture = read_picture(hr)
        op = downsampling(a, (picture.levels.shape[-2], picture.levels.shape[-1]))
        lr = to_levels(op.down(picture.levels.float()), picture.peak)
        write_picture(output, lr, quality=quality)
        height, width = op.lr_size
        if json:
            document(
                {"input": str(hr), "output": str(output), "kernel": a.name, "scale": a.scale, "size": [width, height]}
            )
        else:
            result(f"{output}  {width}×{height}  {a.describe()}")

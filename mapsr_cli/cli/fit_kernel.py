"""`mapsr fit-kernel`: find the kernel that made small pictures of large ones."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.progress import progress_bar
from mapsr_cli.cli.report import document, failures, result, say, wrote

if TYPE_CHECKING:
    from torch import Tensor

    from mapsr_cli.operators.fit_kernel import FittedKernel


def fit_kernel(
    lr: Annotated[
        Path,
        typer.Option("--lr", metavar="DIR", help="Folder of the small pictures.", rich_help_panel=options.EVERYDAY),
    ],
    hr: Annotated[
        Path,
        typer.Option(
            "--hr",
            metavar="DIR",
            help="Folder of the large pictures of the same, pixel on pixel: photo.png goes with photo.png, "
            "photo_hr.png or photo-x4.png.",
            rich_help_panel=options.EVERYDAY,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.npy",
            help="File to save the kernel to, for `--kernel file:FILE.npy`.",
            rich_help_panel=options.EVERYDAY,
        ),
    ],
    size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=101,
            help="Side of the largest kernel to look for, in pixels of the large picture.",
            show_default="5 × the scale",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Find the kernel that made small pictures of large ones, by least squares: of a camera, a scanner, a program.

    The scale follows from the sizes. The more pictures, and the sharper, the better is the kernel known.
    """
    with failures(debug):
        import numpy as np

        from mapsr_cli.cli.pairs import match_folders
        from mapsr_cli.errors import UsageError
        from mapsr_cli.files import check_target, write_bytes
        from mapsr_cli.operators.fit_kernel import KernelFit

        if output.suffix != ".npy":
            raise UsageError(f"{output}: a kernel is saved as a .npy file")
        check_target(output, overwrite)
        pairs = match_folders(lr, hr)
        fit: KernelFit | None = None
        with progress_bar() as update:
            for done, (small, large) in enumerate(pairs):
                update("reading pairs", done, len(pairs))
                x, y = _pixels(small), _pixels(large)
                scale = round(y.shape[1] / x.shape[1])
                fit = fit or KernelFit(scale, size or 5 * scale)
                if tuple(-(-n // fit.scale) for n in y.shape[1:]) != tuple(x.shape[1:]):
                    shown = [f"{image.shape[2]}×{image.shape[1]}" for image in (x, y)]
                    raise UsageError(
                        f"{small.name} has {shown[0]} pixels and {large.name} {shown[1]}: not ×{fit.scale}",
                        "all pairs have one scale, and large pictures scale times the size of small ones",
                    )
                fit.add(x, y)
            assert fit is not None
            update("solving", len(pairs), len(pairs))
            found = fit.solve()
        content = io.BytesIO()
        np.save(content, found.picture.numpy())
        write_bytes(output, content.getvalue())
        _tell(found, fit.scale, len(pairs), output, json)
        wrote(output)


def _pixels(path: Path) -> "Tensor":
    """Read levels 0 … 255 as float64 [3, H, W]; raise ImageError for a file that cannot be read."""
    import numpy as np
    import torch

    from mapsr_cli.errors import ImageError
    from mapsr_cli.training.data.decoding import UnreadableError, decode, levels

    try:
        return torch.from_numpy(levels(decode(path, 3)).astype(np.float64))
    except UnreadableError as error:
        raise ImageError(f"{path}: not a readable picture ({error})") from error


def _tell(found: "FittedKernel", scale: int, pairs: int, output: Path, json: bool) -> None:
    """Say what was found, and whether A of it has an inverse."""
    from mapsr_cli.errors import KernelError
    from mapsr_cli.operators import downsampling, make_psf

    side = len(found.picture)
    condition: float | None = None
    try:
        condition = downsampling(make_psf("file:" + output.name, found.picture.numpy(), scale), (64, 64)).condition
    except KernelError as error:
        say(f"note: `--kernel` refuses it: {error}")
    if json:
        figures = {"residual_levels": found.residual, "gain": found.gain, "error": found.error, "condition": condition}
        what = {"output": str(output), "scale": scale, "size": side, "pairs": pairs, "samples": found.pixels}
        document(what | figures)
        return
    result(f"{side}×{side} weights at ×{scale} from {pairs} pairs, {found.pixels:,} samples")
    result(f"residual   {found.residual:.3f} levels (rounding alone: 0.29)")
    result(f"gain       {found.gain:.4f}")
    result(f"error      {found.error:.1%} of the kernel, from noise as large as the residual")
    say(f"to use it: --kernel file:{output} --scale {scale}")

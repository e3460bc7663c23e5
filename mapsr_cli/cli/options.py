"""Options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; everything else on stderr.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
KernelName = Annotated[
    str | None,
    typer.Option(
        "--kernel",
        metavar="NAME",
        help="bicubic, gaussian9, gaussianN, lanczos3, box, or a measured one: file:PSF.npy|PSF.png.",
        show_default=False,
    ),
]
Sigma = Annotated[
    float | None,
    typer.Option("--sigma", help="Standard deviation of a Gaussian kernel in HR pixels (1.6).", show_default=False),
]
Scale = Annotated[int | None, typer.Option("--scale", help="2, 3, 4 or 8.", show_default=False)]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|FILE|ORG/REPO[@REV]",
        help="A bundled model, a .safetensors file, or a repository on the Hugging Face Hub.",
        show_default=False,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Quality = Annotated[
    int | None,
    typer.Option("--quality", min=1, max=100, help="Of JPEG, AVIF (95) and lossy WebP.", show_default=False),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        "--max-pixels", min=1, help="Refuse larger inputs, in pixels (89478485).", metavar="N", show_default=False
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]


class Precision(StrEnum):
    """What the network computes in."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


NetworkPrecision = Annotated[Precision, typer.Option("--precision", help="Of the network alone.")]
InputFile = Annotated[Path, typer.Argument(show_default=False)]

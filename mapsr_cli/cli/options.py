"""Options that several commands share, and the panels of `--help`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

EVERYDAY, MODEL, GUARANTEE, OUTPUT, MACHINE = "Everyday", "Model", "Guarantee", "Output", "Machine"
"""Panels of `--help`; the last one holds `--help` itself."""
LOGS = "csv,tensorboard"
"""Where figures of a training go, if it is not said."""
LARGEST_SEED = 2**63 - 1


def kernel(default: str, panel: str = GUARANTEE) -> Any:
    """Return `--kernel` for a command that takes `default`, in words, where it is not given."""
    return typer.Option(
        "--kernel",
        metavar="NAME",
        help="Filter that makes a picture small: bicubic, lanczos3, box (the mean of a square), gaussianN (a blur of "
        "N×N pixels), or file:PSF.npy and file:PSF.png for a measured blur.",
        show_default=default,
        rich_help_panel=panel,
    )


def sigma(panel: str = GUARANTEE) -> Any:
    """Return `--sigma`."""
    return typer.Option(
        "--sigma",
        metavar="X",
        help="Width of a gaussianN kernel: its standard deviation in pixels of the large picture.",
        show_default="1.6",
        rich_help_panel=panel,
    )


def scale(default: str, panel: str = GUARANTEE) -> Any:
    """Return `--scale` for a command that takes `default`, in words, where it is not given."""
    return typer.Option(
        "--scale",
        metavar="2|3|4|8",
        help="Pixels of the large picture per pixel of the small one, along each side.",
        show_default=default,
        rich_help_panel=panel,
    )


Scale = Annotated[
    float | None,
    typer.Option(
        "--scale",
        metavar="X",
        help="How many times as wide and high the result is, from 1.1 to 64, such as 2, 1.5 or 8.",
        show_default="the model's own, 4",
        rich_help_panel=EVERYDAY,
    ),
]
Width = Annotated[
    int | None,
    typer.Option(
        "--width", metavar="PIXELS", help="Width of the result.", show_default="none", rich_help_panel=EVERYDAY
    ),
]
Height = Annotated[
    int | None,
    typer.Option(
        "--height", metavar="PIXELS", help="Height of the result.", show_default="none", rich_help_panel=EVERYDAY
    ),
]
Fit = Annotated[
    str | None,
    typer.Option(
        "--fit",
        metavar="WIDTHxHEIGHT",
        help="Largest size that fits into this box; the picture is never stretched.",
        show_default="none",
        rich_help_panel=EVERYDAY,
    ),
]
Megapixels = Annotated[
    float | None,
    typer.Option(
        "--megapixels",
        metavar="X",
        help="Size of the result in millions of pixels.",
        show_default="none",
        rich_help_panel=EVERYDAY,
    ),
]


def model(default: str, purpose: str = "Model to use") -> Any:
    """Return `--model` for a command that takes `default`, in words, where it is not given."""
    return typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help=f"{purpose}: a name of `mapsr models list`, a .safetensors file, or ORG/REPO@REVISION on the Hugging Face "
        "Hub.",
        show_default=default,
        rich_help_panel=MODEL,
    )


Network = Annotated[
    str | None,
    typer.Option(
        "--network",
        metavar="NAME",
        help="Code of a model whose network is not mapsr's own, where you trust it: FILE.py:CLASS, or the name that an "
        "installed package gives it.",
        show_default="none",
        rich_help_panel=MODEL,
    ),
]


def seed(meaning: str, default: str, panel: str) -> Any:
    """Return `--seed`, whose help says what it is the seed of."""
    return typer.Option(
        "--seed", metavar="N", help=meaning, show_default=default, callback=_check_seed, rich_help_panel=panel
    )


def _check_seed(value: int | None) -> int | None:
    if value is not None and not 0 <= value <= LARGEST_SEED:
        raise typer.BadParameter(f"{value} is not between 0 and {LARGEST_SEED}")
    return value


LEAST_CONFIDENCE, LARGEST_CONFIDENCE = 0.5, 0.99
"""Of error bars."""


class EvidenceKind(StrEnum):
    """What a JPEG is taken to say."""

    auto = "auto"
    jpeg = "jpeg"
    levels = "levels"


def evidence(default: str) -> Any:
    """Return `--evidence` for a command that takes `default`, in words, where it is not given."""
    return typer.Option(
        metavar="auto|jpeg|levels",
        help="What a JPEG says of the result made small again. jpeg: each coefficient that the file stores, to half a "
        "step. levels: its decoded pixels, artefacts included.",
        show_default=default,
        rich_help_panel=GUARANTEE,
    )


ErrorMap = Annotated[
    Path | None,
    typer.Option(
        "--error-map",
        metavar="FILE.png",
        help="Write how far off each pixel may be, as grey levels of 8 bits, and drawn beside it (FILE_drawn.png). Of "
        "several pictures, a folder.",
        show_default="none",
        rich_help_panel=GUARANTEE,
    ),
]
Confidence = Annotated[
    float,
    typer.Option(
        "--confidence",
        metavar="SHARE",
        min=LEAST_CONFIDENCE,
        max=LARGEST_CONFIDENCE,
        help="How often the true value lies within the error map's levels.",
        rich_help_panel=GUARANTEE,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document on standard output, everything else on standard error.",
        rich_help_panel=MACHINE,
    ),
]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show the Python traceback of an error.", rich_help_panel=MACHINE),
]
FileOrFolder = Annotated[
    str,  # a Path would lose the slash at the end
    typer.Option("--output", "-o", metavar="PATH", help="File to write to, or a folder.", rich_help_panel=EVERYDAY),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.", rich_help_panel=OUTPUT)]
Quality = Annotated[
    int | None,
    typer.Option(
        "--quality",
        metavar="N",
        min=1,
        max=100,
        help="Quality of JPEG, AVIF and WebP files. WebP is lossless unless it is given.",
        show_default="95 for JPEG and AVIF",
        rich_help_panel=OUTPUT,
    ),
]
WithReport = Annotated[
    bool,
    typer.Option(
        "--report",
        help="Write beside each output how it was made (photo_x4.json, and photo_x4_report.html to read): enough for "
        "mapsr redo to make it again to the bit.",
        rich_help_panel=EVERYDAY,
    ),
]


Sign = Annotated[
    Path | None,
    typer.Option(
        "--sign",
        metavar="CERT.pem",
        help="Sign results and their reports by C2PA: your certificate, and behind it those that vouch for it.",
        show_default="none",
        rich_help_panel=OUTPUT,
    ),
]
SignKey = Annotated[
    Path | None,
    typer.Option(
        "--sign-key",
        metavar="KEY.pem",
        help="Private key of that certificate.",
        show_default="in CERT.pem",
        rich_help_panel=OUTPUT,
    ),
]


class LabelChoice(StrEnum):
    """What a result says of itself."""

    auto = "auto"
    none = "none"


Label = Annotated[
    LabelChoice,
    typer.Option(
        metavar="auto|none",
        help="Whether results say in their metadata what they are (IPTC digital source type): enhanced by an "
        "algorithm, or made in part by one that invents.",
        rich_help_panel=OUTPUT,
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        "--max-pixels",
        metavar="N",
        min=1,
        help="Refuse input pictures of more pixels than this.",
        show_default="89478485",
        rich_help_panel=MACHINE,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Where to compute: auto (a graphics processor if there is one), cpu, cuda, cuda:N or mps.",
        rich_help_panel=MACHINE,
    ),
]


class Precision(StrEnum):
    """Compute types of a network."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


NetworkPrecision = Annotated[
    Precision,
    typer.Option(
        "--precision",
        metavar="auto|fp32|bf16|fp16",
        help="Compute type of the network; the projection uses float32 or more. auto: 16 bits where that is faster.",
        rich_help_panel=MACHINE,
    ),
]

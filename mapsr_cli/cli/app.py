"""`mapsr`: the commands, and nothing that takes time to import."""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from mapsr_cli import __version__
from mapsr_cli.cli import (
    compare,
    data,
    downscale,
    evaluate,
    export,
    fit_kernel,
    fit_pinv,
    models,
    project,
    redo,
    reproduce,
    train,
    upscale,
    verify,
)
from mapsr_cli.cli.command import Command, Group
from mapsr_cli.cli.report import lose_output
from mapsr_cli.cli.streams import open_streams

app = typer.Typer(
    name="mapsr",
    cls=Group,
    help="Upscale pictures so that each result, made small again, is the original bit for bit.",
    epilog="Example: mapsr upscale photo.png",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mapsr {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass


def _add(name: str, function: Callable[..., Any], example: str, panel: str) -> None:
    app.command(name, cls=Command, epilog=f"Example: mapsr {name} {example}", rich_help_panel=panel)(function)


PICTURES, MODELS, RESEARCH = "Pictures", "Models", "Training and research"
_add("upscale", upscale.upscale, "photo.png -o large.png", PICTURES)
_add("verify", verify.verify, "photo.png photo_x4.png", PICTURES)
_add("project", project.project, "photo.jpg photo_by_another_tool.png -o photo_fixed.png", PICTURES)
_add("redo", redo.redo, "photo_x4.json photo.png", PICTURES)
_add("compare", compare.compare, "photo.png photo_x4.png -o page.html", PICTURES)
_add("downscale", downscale.downscale, "large.png -o small.png --scale 4", PICTURES)
app.add_typer(models.app, name="models", epilog="Example: mapsr models list", rich_help_panel=MODELS)
_add("export", export.export, "--onnx -m natural-x4-affmse -o natural.onnx", MODELS)
_add("evaluate", evaluate.evaluate, "--model bicubic --model natural-x4-affmse --data Set5", MODELS)
_add("train", train.train, "affgan --data photos --minutes 60", RESEARCH)
_add("fit-pinv", fit_pinv.fit_pinv, "--method exact --picture kernels.png", RESEARCH)
app.add_typer(data.app, name="data", epilog="Example: mapsr data prepare photos -o shards", rich_help_panel=RESEARCH)
_add("fit-kernel", fit_kernel.fit_kernel, "--lr scans --hr originals -o psf.npy", RESEARCH)
_add("reproduce", reproduce.reproduce, "table1 --trials 10", RESEARCH)


def main() -> None:
    """Run the console script."""
    open_streams()
    try:
        app(prog_name="mapsr")
    except OSError as error:  # help and wrong usage, which typer prints
        lose_output(error)
        sys.exit(1)

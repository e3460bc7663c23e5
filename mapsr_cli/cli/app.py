"""`mapsr`: the commands, and nothing that takes time to import."""

from typing import Annotated

import typer

from mapsr_cli import __version__
from mapsr_cli.cli import downscale, evaluate, export, fit_pinv, models, reproduce, train, upscale, verify

app = typer.Typer(
    name="mapsr",
    help="Upscale images 4× and never contradict them.",
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
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


app.command("upscale", epilog="Example: mapsr upscale photo.png -o big.png")(upscale.upscale)
app.command("verify", epilog="Example: mapsr verify photo.png photo_x4.png")(verify.verify)
app.command("downscale", epilog="Example: mapsr downscale big.png -o small.png --scale 4")(downscale.downscale)
app.command("evaluate", epilog="Example: mapsr evaluate --model bicubic --model natural-x4-affmse --data Set5")(
    evaluate.evaluate
)
app.command("fit-pinv", epilog="Example: mapsr fit-pinv --kernel gaussian9 --picture kernels.png")(fit_pinv.fit_pinv)
app.command("train", epilog="Example: mapsr train affgan --data photos --minutes 60")(train.train)
app.command("reproduce", epilog="Example: mapsr reproduce table1 --trials 10")(reproduce.reproduce)
app.command("export", epilog="Example: mapsr export --onnx -m natural-x4-affmse -o natural.onnx")(export.export)
app.add_typer(models.app, name="models", epilog="Example: mapsr models list")


def main() -> None:
    """The console script."""
    app()

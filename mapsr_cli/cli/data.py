"""`mapsr data`: training data."""

from pathlib import Path
from typing import Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.command import Command, Group
from mapsr_cli.cli.progress import progress_bar
from mapsr_cli.cli.report import document, failures, result, say

app = typer.Typer(cls=Group, no_args_is_help=True, help="Prepare pictures for training.")


@app.callback()
def _group() -> None:
    pass


@app.command(cls=Command, epilog="Example: mapsr data prepare photos -o shards --crop 256")
def prepare(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR", help="Folders of pictures, which are searched in depth.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Folder for the shards.", rich_help_panel=options.EVERYDAY),
    ],
    crop: Annotated[
        int,
        typer.Option(metavar="N", min=17, help="Side of a crop, in pixels.", rich_help_panel=options.EVERYDAY),
    ] = 256,
    flat: Annotated[
        float,
        typer.Option(
            metavar="X",
            min=0,
            help="Leave out crops whose brightness varies less than this: standard deviation, in levels of 255.",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = 4.0,
    alike: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=-1,
            max=256,
            help="Leave out a crop whose fingerprint of 256 bits differs from an earlier one's in N bits or fewer; -1 "
            "keeps all.",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = 10,
    shard: Annotated[
        int, typer.Option(metavar="N", min=1, help="Crops in a tar.", rich_help_panel=options.EVERYDAY)
    ] = 500,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Cut pictures into crops and pack them as tar shards for `mapsr train`, without duplicates and flat ones."""
    with failures(debug):
        from mapsr_cli.training.data.preparation import Preparation, find_images, prepare

        images = find_images(folders)
        with progress_bar() as update:
            done = prepare(
                images,
                output,
                Preparation(crop, flat, alike, shard),
                overwrite,
                lambda number, count: update("cutting", number, count),
            )
        if json:
            document(done.counts())
            return
        result(f"{done.crops:,} crops of {crop}×{crop} in {len(done.shards)} shards, from {done.images:,} pictures")
        result(f"left out: {done.flat:,} flat and {done.duplicates:,} duplicate crops")
        if done.corrupt or done.small:
            say(f"{done.corrupt} pictures could not be read, {done.small} are smaller than a crop")
        if done.shards:
            say(f"to train on them: mapsr train affmse --data '{output}/*.tar'")

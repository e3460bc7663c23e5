"""`mapsr compare`: look at pictures beside each other."""

from pathlib import Path
from typing import Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.progress import busy
from mapsr_cli.cli.report import document, failures, result


def compare(
    pictures: Annotated[
        list[Path],
        typer.Argument(metavar="PICTURE", help="Two pictures or more, of any size: the first is compared with each."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="PAGE.html",
            help="File to write the page to.",
            rich_help_panel=options.EVERYDAY,
        ),
    ],
    overwrite: options.Overwrite = False,
    max_pixels: options.MaxPixels = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write a page that shows pictures under a slider, to compare them by eye.

    The page needs nothing but a browser. Smaller pictures are shown as large as the largest.
    """
    with failures(debug):
        from mapsr_cli.cli.paths import check_outputs
        from mapsr_cli.files import write_bytes
        from mapsr_cli.imaging import MAX_PIXELS
        from mapsr_cli.views.comparison_page import comparison_page

        check_outputs(overwrite, output, inputs=pictures)
        with busy(f"comparing {len(pictures)} pictures"):
            page = comparison_page(pictures, max_pixels or MAX_PIXELS)
        write_bytes(output, page.encode(), overwrite)
        if json:
            document({"pictures": [str(path) for path in pictures], "page": str(output)})
        else:
            result(str(output))

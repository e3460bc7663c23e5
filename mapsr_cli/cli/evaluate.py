"""`mapsr evaluate`: what models are worth, by the field's protocols."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.report import document, failures, progress_bar, result, say, table

if TYPE_CHECKING:
    from mapsr_cli.evaluation.scores import Evaluation

COMPLAINTS = 10
"""Failures told in words."""


class ProtocolName(StrEnum):
    """What PSNR and SSIM compare."""

    y = "y"
    rgb = "rgb"


def evaluate(
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="A bundled model, a .safetensors file, bicubic, lanczos, pinv, dir:FOLDER of finished outputs, "
            "backbone:FILE as `upscale --backbone` runs it, or trunk:FILE without projection. Can be given again.",
            show_default=False,
        ),
    ],
    data: Annotated[Path, typer.Option(metavar="DIR", help="HR images, or folders of them.", show_default=False)],
    protocol: Annotated[
        ProtocolName, typer.Option(help="y: luma, a border of `scale` pixels shaved; rgb: the whole image.")
    ] = ProtocolName.y,
    kernel: options.KernelName = None,
    sigma: options.Sigma = None,
    scale: options.Scale = None,
    perceptual: Annotated[bool, typer.Option("--perceptual", help="LPIPS and DISTS, too.")] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A report with pictures to compare.", show_default=False)
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="One line per model and image.", show_default=False)
    ] = None,
    device: options.Device = "auto",
    precision: options.NetworkPrecision = options.Precision.auto,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Measure models on HR images: each is downscaled by the kernel, upscaled by every model, and compared."""
    with failures(debug):
        from mapsr_cli.cli.paths import refuse_nowhere
        from mapsr_cli.evaluation.estimators import make_estimators
        from mapsr_cli.evaluation.evaluate import Judge
        from mapsr_cli.evaluation.evaluate import evaluate as judge_all
        from mapsr_cli.evaluation.perceptual import load_perceptual
        from mapsr_cli.evaluation.protocol import PROTOCOLS, find_sets
        from mapsr_cli.evaluation.report import Gallery, report, spread
        from mapsr_cli.imaging import write_bytes
        from mapsr_cli.inference import Settings
        from mapsr_cli.inference.devices import choose_device, choose_dtype

        refuse_nowhere(html, csv)
        chosen = choose_device(device)
        settings = Settings(device=chosen, dtype=choose_dtype(precision.value, chosen))
        a, estimators = make_estimators(model, settings, kernel, sigma, scale)
        sets = find_sets(data)
        judge = Judge(PROTOCOLS[protocol.value])
        if perceptual:
            judge = judge.with_perceptual(load_perceptual())
        gallery = Gallery({} if html is None else spread(sets))
        with progress_bar() as progress:
            found = judge_all(estimators, sets, a, judge, gallery, progress)
        if html is not None:
            write_bytes(html, report(found, data, gallery.sliders).encode())
        if csv is not None:
            write_bytes(csv, found.to_csv().encode())
        if json:
            document(found.to_json())
        else:
            _print(found)
        if found.failed:
            _complain(found)
            raise typer.Exit(1)


def _print(found: "Evaluation") -> None:
    """A table per test set, and how it was measured."""
    from mapsr_cli.evaluation.table import tabulate

    for group, rows in found.by_set():
        titles, cells = tabulate(rows)
        table(group, titles, [[(cell.text, cell.best) for cell in row] for row in cells])
    result(found.protocol.describe(found.kernel))


def _complain(found: "Evaluation") -> None:
    """What could not be evaluated, the first of it in words."""
    for failure in found.failed[:COMPLAINTS]:
        who = "" if failure.model is None else f", {failure.model}"
        say(f"not evaluated: {failure.image}{who}: {failure.error}")
    if (more := len(found.failed) - COMPLAINTS) > 0:
        say(f"and {more} more; --json lists them all")

"""`mapsr evaluate`: measure models by the usual protocols."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.options import LARGEST_CONFIDENCE, LEAST_CONFIDENCE
from mapsr_cli.cli.progress import progress_bar
from mapsr_cli.cli.report import document, failures, result, say, table, wrote
from mapsr_cli.errors import MapsrError

if TYPE_CHECKING:
    from mapsr_cli.evaluation.evaluate import Observer, Scorer
    from mapsr_cli.evaluation.scores import Evaluation

COMPLAINTS = 10
"""Failures that are printed, at most."""
PROTOCOL = "Protocol"


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
            help="What to measure; may be given several times. A name of `mapsr models list`, a .safetensors file or "
            "ORG/REPO; the baselines bicubic, lanczos and pinv (A⁺ alone); dir:FOLDER of finished outputs; "
            "backbone:FILE, a network as `upscale --backbone` runs it; trunk:FILE, the same without projection.",
            rich_help_panel=options.EVERYDAY,
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Folder of large pictures, or of folders of them (test sets).",
            rich_help_panel=options.EVERYDAY,
        ),
    ],
    protocol: Annotated[
        ProtocolName,
        typer.Option(
            metavar="y|rgb",
            help="y: PSNR and SSIM of the luma (BT.601), without a border of `scale` pixels. rgb: of all colours, "
            "whole pictures.",
            rich_help_panel=PROTOCOL,
        ),
    ] = ProtocolName.y,
    perceptual: Annotated[
        bool,
        typer.Option(
            "--perceptual",
            help="Measure what the eye sees, too: SSIMULACRA2, FLIP, gradient energy, grid, phases and lattice; "
            "NIQE, LPIPS and DISTS where their weights are at hand.",
            rich_help_panel=PROTOCOL,
        ),
    ] = False,
    hallucination: Annotated[
        bool,
        typer.Option(
            "--hallucination",
            help="Measure what was invented, too: the shares of what a result improves on the enlarged original, "
            "omits, or invents (opensr-test), and of patches that are fake (sFRC).",
            rich_help_panel=PROTOCOL,
        ),
    ] = False,
    error_bars: Annotated[
        float | None,
        typer.Option(
            "--error-bars",
            metavar="SHARE",
            min=LEAST_CONFIDENCE,
            max=LARGEST_CONFIDENCE,
            help="Measure how often the picture lies within the error bars of this confidence, of models that have "
            "them.",
            show_default="none",
            rich_help_panel=PROTOCOL,
        ),
    ] = None,
    kernel: Annotated[str | None, options.kernel("the first model's own, or bicubic", PROTOCOL)] = None,
    sigma: Annotated[float | None, options.sigma(PROTOCOL)] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Pixels of the large pictures per pixel of the small ones, along each side: any number above 1.",
            show_default="the first model's own, or 4",
            rich_help_panel=PROTOCOL,
        ),
    ] = None,
    network: options.Network = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a page with the table and pictures to compare.",
            show_default="none",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a table with one line per model and picture.",
            show_default="none",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            metavar="FILE",
            help="Write the model again, with error bars for `upscale --error-map` that are calibrated on these "
            "pictures.",
            show_default="none",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    device: options.Device = "auto",
    precision: options.NetworkPrecision = options.Precision.auto,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Measure models on large pictures: make each small with the kernel, upscale it, and compare with the picture."""
    with failures(debug):
        from mapsr_cli.cli.paths import check_outputs
        from mapsr_cli.evaluation.calibration import make_calibrator, write_calibrated
        from mapsr_cli.evaluation.candidates import make_candidates
        from mapsr_cli.evaluation.evaluate import Scorer
        from mapsr_cli.evaluation.evaluate import evaluate as evaluate_all
        from mapsr_cli.evaluation.hallucination import hallucination as measure_hallucination
        from mapsr_cli.evaluation.protocol import PROTOCOLS, find_sets
        from mapsr_cli.evaluation.report import Gallery, report, spread
        from mapsr_cli.files import write_bytes
        from mapsr_cli.networks import name_network

        if network is not None:
            name_network(network)
        sets = find_sets(data)
        read = [*(path for paths in sets.values() for path in paths), *map(Path, model)]
        check_outputs(overwrite, html, csv, calibrate, inputs=read)
        a, candidates = make_candidates(model, kernel, sigma, scale, device=device, precision=precision.value)
        scorer = Scorer(
            PROTOCOLS[protocol.value],
            confidence=error_bars,
            pair_measures=(measure_hallucination,) if hallucination else (),
        )
        if perceptual:
            scorer = _perceptual(scorer)
        calibrator = None if calibrate is None else make_calibrator(candidates, a)
        gallery = Gallery({} if html is None else spread(sets))
        with progress_bar() as update:

            def show(image: str, model: str, done: int, total: int) -> None:
                update(f"{image}: {model}", done, total)

            observers: list[Observer] = [gallery] if calibrator is None else [gallery, calibrator]
            figures = evaluate_all(candidates, sets, a, scorer, observers, show)
        if html is not None:
            write_bytes(html, report(figures, data, gallery.sliders).encode(), overwrite)
        if csv is not None:
            write_bytes(csv, figures.to_csv().encode(), overwrite)
        if calibrate is not None and calibrator is not None:
            write_calibrated(calibrator, model[0], calibrate, ", ".join(sets))
        if json:
            document(figures.to_json())
        else:
            _print(figures)
        wrote(html, csv, calibrate)
        if figures.failed:
            _complain(figures)
            raise typer.Exit(1)


def _perceptual(scorer: "Scorer") -> "Scorer":
    """Add what the eye sees; say which measures are left out for want of weights."""
    from mapsr_cli.evaluation.perceptual import load_perceptual
    from mapsr_cli.evaluation.visual import niqe_measure, visual_measures

    scorer = scorer.with_measures(visual_measures())
    try:
        scorer = scorer.with_measures({"niqe": niqe_measure()})
    except MapsrError as error:
        say(f"note: {error}; {error.hint}")
    try:
        scorer = scorer.with_perceptual(load_perceptual())
    except MapsrError as error:
        say(f"note: no LPIPS, no DISTS: {error}; {error.hint}")
    return scorer


def _print(figures: "Evaluation") -> None:
    """Print a table per test set, and how it was measured."""
    from mapsr_cli.evaluation.table import tabulate

    for group, rows in figures.by_set():
        titles, cells = tabulate(rows)
        table(group, titles, [[(cell.text, cell.best) for cell in row] for row in cells])
    for line in figures.remarks():
        result(line)
    result(figures.protocol.describe(figures.kernel))


def _complain(figures: "Evaluation") -> None:
    """Say which pictures could not be evaluated."""
    for failure in figures.failed[:COMPLAINTS]:
        who = "" if failure.model is None else f", {failure.model}"
        say(f"not evaluated: {failure.image}{who}: {failure.error}")
    if (more := len(figures.failed) - COMPLAINTS) > 0:
        say(f"and {more} more; --json lists them all")

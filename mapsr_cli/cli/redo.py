"""`mapsr redo`: make the picture of a report again."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.report import document, failures, result, say, wrote
from mapsr_cli.cli.startup import heavy_imports

if TYPE_CHECKING:
    from mapsr_cli.reports.document import FileReport
    from mapsr_cli.reports.redo import Redone, ResultBeside


_SIGNATURES = {
    "valid": "{} and this report are as {} signed them; whether to trust that certificate is for you to say",
    "broken": "{} or this report is not as {} signed it: the signature is missing, broken or of another report",
    "unchecked": "the signature of {} by {} was not checked: pip install 'mapsr[c2pa]'",
}


def redo(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="What mapsr upscale --report wrote: photo_x4.json.")],
    original: Annotated[
        Path | None,
        typer.Argument(
            metavar="ORIGINAL",
            help="The picture that was upscaled.",
            show_default="the one of that name beside the report",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write the picture to.",
            show_default="none",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            "-m",
            metavar="FILE",
            help="File of the model, or of the other network (--backbone) that was used.",
            show_default="the one that the report names",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    network: options.Network = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Make the picture of a report again, and say whether it is the same to the bit.

    If it is not, what differs on this machine is listed. A report that was changed, another original and another model
    are refused. The exit code is 0 only if the picture is the same, and so is the upscaled file, where it lies beside
    the report.
    """
    with failures(debug):
        with heavy_imports():
            from mapsr_cli.cli.paths import check_outputs
            from mapsr_cli.cli.progress import progress_bar
            from mapsr_cli.files import write_bytes
            from mapsr_cli.networks import name_network
            from mapsr_cli.reports.document import read_report
            from mapsr_cli.reports.redo import compare_with, make_again

        if network is not None:
            name_network(network)
        stated = read_report(report)
        source = original or report.parent / Path(stated.original.name).name  # of whatever a report says, a name alone
        check_outputs(overwrite, output, inputs=[report, source])
        with progress_bar() as update:

            def show(stage: str, done: int, total: int) -> None:
                update(f"{source.name}: {stage}", done, total)

            redone = make_again(stated, source, model, show)
        beside = compare_with(report.parent / Path(stated.result.name).name, stated, redone)
        if output is not None:
            write_bytes(output, redone.data, overwrite)
        if json:
            document(_entry(stated, redone, beside))
        else:
            result(_verdict(stated, redone))
            for line in _remarks(stated, redone, beside):
                say(line)
        wrote(output)
        if not redone.same or (beside is not None and not beside.same):
            raise typer.Exit(1)


def _verdict(report: "FileReport", redone: "Redone") -> str:
    made = f"{report.result.name} made again from {report.original.name} by {report.model.name}"
    if redone.same:
        return f"the same to the bit: {made}"
    if redone.same_samples:
        return f"not the same file, though every sample is the same: {made}"
    return f"not the same: {made}"


def _remarks(report: "FileReport", redone: "Redone", beside: "ResultBeside | None") -> list[str]:
    lines = []
    if beside is not None and beside.signature is not None:
        lines.append(f"note: {_SIGNATURES[beside.signature].format(report.result.name, report.result.signed_by)}")
    elif beside is not None and not beside.same:
        lines.append(f"note: the file {report.result.name} beside the report was changed: its SHA-256 is another")
    if beside is not None and beside.off:
        most = f"{beside.largest} level{'' if beside.largest == 1 else 's'} at most"
        off = f"{beside.off:,} of its {beside.samples:,} samples, by {most}"
        lines.append(f"note: {report.result.name} beside the report differs from what was made again in {off}")
    if not redone.same:
        lines += [f"  {one.what}: {one.then} then, {one.here} here" for one in redone.differences]
        if not redone.differences:
            lines.append("note: nothing that the report lists of processor, versions and settings differs here")
    return lines


def _entry(report: "FileReport", redone: "Redone", beside: "ResultBeside | None") -> dict[str, Any]:
    return {
        "result": report.result.name,
        "original": report.original.name,
        "model": report.model.name,
        "same": redone.same,
        "same_samples": redone.same_samples,
        "beside": None if beside is None else asdict(beside),
        "differences": [asdict(one) for one in redone.differences],
    }

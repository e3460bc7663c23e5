"""`mapsr export`: write a model for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.progress import busy
from mapsr_cli.cli.report import document, failures, result


def export(
    onnx: Annotated[
        bool,
        typer.Option(
            "--onnx",
            help="Write an ONNX graph. Needs the optional packages `export`.",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write to.",
            show_default="MODEL.onnx",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    model: Annotated[str | None, options.model("natural-x4-affmse")] = None,
    network: options.Network = None,
    scale: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="How many times as wide and high the results are: 1.1 or more, up to the model's own factor.",
            show_default="the model's own",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write a model for other programs: network and projection as one graph, for pictures of any size.

    The projection is the step that makes the result give its input back. The graph is compared with PyTorch.
    """
    with failures(debug):
        from mapsr_cli.errors import UsageError
        from mapsr_cli.files import check_target
        from mapsr_cli.inference.onnx_graph import export_onnx
        from mapsr_cli.networks import name_network
        from mapsr_cli.zoo import DEFAULT_MODEL, find_model, load_model

        if not onnx:
            raise UsageError("no output format is given", "mapsr export --onnx")
        name = model or DEFAULT_MODEL
        if network is not None:
            name_network(network)
        with busy(f"exporting {name}") as fetched:
            loaded = load_model(find_model(name, fetched))
            at = "" if scale in (None, loaded.kernel.scale) else f"-at-x{scale:g}"
            path = output or Path(f"{loaded.card.name}{at}.onnx")
            check_target(path, overwrite)
            checked = export_onnx(loaded, path, scale)
        if json:
            document({"output": str(path), "model": loaded.card.name, "size": path.stat().st_size, **vars(checked)})
        else:
            result(f"{path}  x [N, 3, h, w] in 0 … 1 → y, at most {checked.difference:.1e} from PyTorch")

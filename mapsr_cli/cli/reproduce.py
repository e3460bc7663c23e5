"""`mapsr reproduce`: the paper's experiments, its numbers beside ours."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.display import training_display
from mapsr_cli.cli.report import document, failures, result, say

if TYPE_CHECKING:
    from mapsr_cli.training.loop import Status


class Name(StrEnum):
    """What there is to reproduce."""

    table1 = "table1"
    fig1 = "fig1"
    fig6 = "fig6"
    fig2 = "fig2"
    table2 = "table2"
    fig4 = "fig4"
    fig3 = "fig3"
    fig7 = "fig7"
    fig5 = "fig5"


class Budget(StrEnum):
    """How long to train."""

    smoke = "smoke"
    cpu = "cpu"
    paper = "paper"


def reproduce(
    experiment: Annotated[
        Name,
        typer.Argument(
            help="table1, fig1, fig6: the Swiss roll; fig2, table2, fig4: faces; fig3, fig7: grass; fig5: photographs.",
            show_default=False,
        ),
    ],
    budget: Annotated[
        Budget, typer.Option(help="smoke: does it run; cpu: what trains here; paper: for a GPU.")
    ] = Budget.cpu,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder that holds faces64/, grass/, natural/ and eval/.", show_default=False),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Independent trainings per method (table1, fig6).")] = 10,
    seed: Annotated[int, typer.Option(help="Of everything.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder.  [default: runs/swissroll, runs/faces, runs/grass, runs/natural]")
    ] = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Run an experiment of the paper; write its numbers (JSON), its table (Markdown) and its pictures.

    Trainings of images are kept in OUT/runs: what was interrupted goes on, what is done is used as it is.
    """
    with failures(debug):
        from mapsr_cli.cli.training import need_extra

        need_extra("accelerate", "train")
        need_extra("matplotlib", "eval")
        from mapsr_cli.experiments.order import Order
        from mapsr_cli.experiments.registry import EXPERIMENTS

        chosen = EXPERIMENTS[experiment.value]
        folder = out or Path("runs") / chosen.folder
        folder.mkdir(parents=True, exist_ok=True)
        with training_display(quiet=json) as show:

            def watch(name: str, status: "Status") -> None:
                show(status, name)

            try:
                told = chosen.run(Order(folder, data, budget.value, trials, seed, watch))
            except KeyboardInterrupt:
                begins = "goes on with what was saved" if chosen.keeps_trainings else "begins again"
                say(f"stopped; the same command {begins}")
                raise
        if json:
            document(told)
        else:
            for path in told["files"]:
                result(path)

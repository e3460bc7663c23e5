"""`mapsr reproduce`: run the paper's experiments."""

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
    """Tables and figures of the paper."""

    table1 = "table1"
    fig1 = "fig1"
    fig6 = "fig6"
    fig2 = "fig2"
    table2 = "table2"
    fig4 = "fig4"
    fig3 = "fig3"
    fig7 = "fig7"
    fig5 = "fig5"
    fig8 = "fig8"


class Budget(StrEnum):
    """Lengths of training."""

    smoke = "smoke"
    cpu = "cpu"
    paper = "paper"


def reproduce(
    experiment: Annotated[
        Name,
        typer.Argument(
            metavar="EXPERIMENT",
            help="table1, fig1 or fig6: the Swiss roll; fig2, table2 or fig4: faces; fig3 or fig7: grass; fig5 or "
            "fig8: photographs.",
        ),
    ],
    budget: Annotated[
        Budget,
        typer.Option(
            metavar="smoke|cpu|paper",
            help="What is trained, and for how long. smoke: a trial that it works; cpu: our recipes, as long as a "
            "processor can; paper: the paper's own protocol, for a GPU.",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = Budget.cpu,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder that holds faces64/, grass/, natural/ and eval/. The Swiss roll needs none.",
            show_default="none",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Independent trainings per method, for table1, fig6, fig2 and fig7.",
            show_default="10 of the Swiss roll, 3 of images",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(metavar="N", help="Random seed for weights, data and noise.", rich_help_panel=options.EVERYDAY),
    ] = 0,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Steps of every training, to try a budget out: with few of them, networks learn nothing.",
            show_default="the budget's",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder to write numbers, figures and trained networks to.",
            show_default="runs/ and swissroll, faces, grass or natural",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Run an experiment of the paper. Writes its numbers (JSON), a page that compares them, and its figures.

    Trained networks of images are kept in OUT/runs. The same command goes on with one that was interrupted, and does
    not train again what is done.
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
                order = Order(folder, data, budget.value, trials or chosen.trials, seed, watch, steps)
                written = chosen.run(order)
            except KeyboardInterrupt:
                resumption = "goes on with what was saved" if chosen.keeps_trainings else "begins again"
                say(f"stopped; the same command {resumption}")
                raise
        if json:
            document(written)
        else:
            for path in written["files"]:
                result(path)

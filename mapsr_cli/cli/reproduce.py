"""`mapsr reproduce`: the paper's experiments, its numbers beside ours."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.display import training_display
from mapsr_cli.cli.report import document, failures, result

if TYPE_CHECKING:
    from mapsr_cli.training.loop import Status


class Experiment(StrEnum):
    """What there is to reproduce."""

    table1 = "table1"
    fig1 = "fig1"
    fig6 = "fig6"


class Budget(StrEnum):
    """How long to train."""

    smoke = "smoke"
    cpu = "cpu"
    paper = "paper"


def reproduce(
    experiment: Annotated[Experiment, typer.Argument(help="table1, fig1, fig6: the Swiss roll.", show_default=False)],
    budget: Annotated[Budget, typer.Option(help="smoke: does it run; cpu: minutes here; paper: hours.")] = Budget.cpu,
    trials: Annotated[int, typer.Option(min=1, help="Independent trainings per method (table1, fig6).")] = 10,
    seed: Annotated[int, typer.Option(help="Of everything.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder.  [default: runs/swissroll]")] = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Run an experiment of the paper; write numbers (JSON), a page (Markdown) and pictures."""
    with failures(debug):
        from mapsr_cli.cli.training import need_extra

        need_extra("accelerate", "train")
        need_extra("matplotlib", "eval")
        from mapsr_cli.experiments.swissroll import recipe

        folder = out or Path("runs") / "swissroll"
        with training_display(quiet=json) as show:

            def watch(name: str, status: "Status") -> None:
                show(status)

            if experiment is Experiment.table1:
                told = recipe.table1(folder, budget.value, trials, seed, watch)
                files = [folder / "table1.md", folder / "table1.json"]
            elif experiment is Experiment.fig1:
                told = recipe.figure1(folder, budget.value, seed, watch)
                files = [Path(name) for name in told["files"]]
            else:
                told = recipe.figure6(folder, budget.value, trials, seed, watch)
                files = [Path(name) for name in told["files"]]
        if json:
            document(told)
        else:
            for path in files:
                result(str(path))

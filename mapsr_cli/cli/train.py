"""`mapsr train`: train a network by a method of the table, or a prior."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.report import document, failures, result

SETTINGS = "Settings"


class Projection(StrEnum):
    """Kinds of A⁺ in the affine constraint."""

    exact = "exact"
    fitted = "fitted"
    fitted_trainable = "fitted-trainable"
    random = "random"
    random_trainable = "random-trainable"


def train(
    method: Annotated[
        str,
        typer.Argument(
            metavar="METHOD",
            help="Method, constraint and criterion in one word. Without a constraint: mse, mae. With results that "
            "give their input back: affmse, affmae, affgan, affdg, affll. With a penalty where they do not: softgan, "
            "softdg, softll. Priors, which the dg and ll methods follow: denoiser, density.",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Training pictures: a folder, a list file (.txt), a tar shard, or a brace pattern of shards. "
            "The preset swissroll needs none.",
            show_default="none",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Folder of small pictures, one for each in the folder --data, under its name: what a camera or a "
            "scanner made. Methods with a constraint then need --kernel; `mapsr fit-kernel` finds it.",
            show_default="made of --data by --kernel",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of the run.",
            show_default="runs/METHOD-PRESET",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Kind of data and its networks: swissroll, grass, faces, faces-half, natural, "
            "natural-half, compact, slim or restoring.",
            show_default="compact",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Number of training steps.",
            show_default="as --minutes says",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            min=0.0,
            help="Computing time of the run, in minutes.",
            show_default="60, without --steps",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    valid: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of large pictures to measure the network on from time to time.",
            show_default="none",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the run in --out.", rich_help_panel=options.EVERYDAY),
    ] = False,
    dry: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Take three steps and print what would be trained: sizes, memory, minutes per 1,000 "
            "steps. Nothing is kept.",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = False,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Model whose weights to start from.",
            show_default="random weights",
            rich_help_panel=options.EVERYDAY,
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Network to train in place of the preset's: FILE.py:CLASS, a class of your own; spandrel:NAME, such "
            "as spandrel:SPAN, one of spandrel's; or the name that an installed package gives it.",
            show_default="the preset's",
            rich_help_panel=SETTINGS,
        ),
    ] = None,
    kernel: Annotated[str | None, options.kernel("the preset's", SETTINGS)] = None,
    sigma: Annotated[float | None, options.sigma(SETTINGS)] = None,
    scale: Annotated[int | None, options.scale("the preset's", SETTINGS)] = None,
    projection: Annotated[
        Projection | None,
        typer.Option(
            metavar="NAME",
            help="A⁺ of the projection in aff methods: exact; fitted, random (convolutions); "
            "fitted-trainable, random-trainable.",
            show_default="exact",
            rich_help_panel=SETTINGS,
        ),
    ] = None,
    pinv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A⁺ that `mapsr fit-pinv -o FILE` saved, for fitted and fitted-trainable.",
            show_default="fitted at the start",
            rich_help_panel=SETTINGS,
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Patches per step, over all processes.",
            show_default="16",
            rich_help_panel=SETTINGS,
        ),
    ] = None,
    patch: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Side of a square patch, in pixels of the large picture.",
            show_default="the preset's",
            rich_help_panel=SETTINGS,
        ),
    ] = None,
    noise_dim: Annotated[
        int | None,
        typer.Option(
            "--noise-dim",
            metavar="N",
            min=0,
            help="Noise channels beside the input: above 0, the network gives different results at random.",
            show_default="0",
            rich_help_panel=SETTINGS,
        ),
    ] = None,
    seed: Annotated[int | None, options.seed("Random seed for weights, patches and noise.", "0", SETTINGS)] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml",
            help="File of settings, in sections as --set names them.",
            show_default="none",
            rich_help_panel=SETTINGS,
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any setting, as SECTION.FIELD=VALUE; may be given several times. docs/training.md lists them.",
            show_default="none",
            rich_help_panel=SETTINGS,
        ),
    ] = None,
    device: options.Device = "auto",
    precision: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Compute type of the networks: auto, fp32, bf16 or fp16.",
            rich_help_panel=options.MACHINE,
        ),
    ] = "auto",
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Compile the networks with torch.compile.",
            rich_help_panel=options.MACHINE,
        ),
    ] = False,
    log: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Where figures and samples are written during the run: csv, tensorboard, wandb; several with commas.",
            rich_help_panel=options.MACHINE,
        ),
    ] = options.LOGS,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Train a network. Stop it at any time with Ctrl-C; --resume goes on where it stopped."""
    with failures(debug):
        from mapsr_cli.cli.dry_run import dry_run
        from mapsr_cli.cli.training import flags, new_recipe, resumed_recipe, run_folder
        from mapsr_cli.cli.training_run import report_of, run_training

        given = flags(
            kernel=kernel,
            sigma=sigma,
            scale=scale,
            projection=projection and projection.value,
            pinv=pinv,
            batch=batch,
            patch=patch,
            pairs=pairs,
            steps=steps,
            minutes=minutes,
            seed=seed,
            noise_dim=noise_dim,
        )
        folder = run_folder(method, preset, out)
        if resume:
            fixed = bool(config or assignments or init)
            recipe = resumed_recipe(folder, method, preset, data, given, fixed, network)
        else:
            recipe = new_recipe(folder, method, preset, data, init, config, assignments or [], given, network)
        if dry:
            dry_run(recipe, valid, device, precision, compiled, json)
            return
        run = run_training(recipe, folder, valid, device, precision, compiled, log, json, network)
        if run is None:
            return
        if json:
            document(report_of(run))
        else:
            result(str(run.folder / "weights.safetensors"))

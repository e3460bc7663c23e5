"""`mapsr train`: any row of the method table, or a prior."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.report import document, failures, result, say


class Projection(StrEnum):
    """Which A⁺ the affine constraint uses."""

    exact = "exact"
    fitted = "fitted"
    fitted_trainable = "fitted-trainable"
    random = "random"
    random_trainable = "random-trainable"


def train(
    method: Annotated[str, typer.Argument(help="affmse, affgan, softdg, … or a prior: denoiser, density.")],
    data: Annotated[
        str | None,
        typer.Option(help="Folder of images, list file, tar shard or brace pattern of shards.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder.  [default: runs/METHOD-PRESET]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.", show_default=False)] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.FIELD=VALUE", help="Any setting; repeatable.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="swissroll, grass, faces, faces-half, natural, natural-half, compact.  [default: compact]"),
    ] = None,
    kernel: options.KernelName = None,
    sigma: options.Sigma = None,
    scale: options.Scale = None,
    projection: Annotated[
        Projection | None, typer.Option(help="A⁺ of the affine constraint.  [default: exact]")
    ] = None,
    pinv: Annotated[Path | None, typer.Option(help="A⁺ that fit-pinv wrote.", show_default=False)] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="HR patches per step, over all processes.")] = None,
    patch: Annotated[int | None, typer.Option(min=1, help="Side of a patch in HR pixels.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Length of the run.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.0, help="Length of the run, in computing time.")] = None,
    valid: Annotated[Path | None, typer.Option(help="Folder of HR images to validate on.", show_default=False)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
    compiled: Annotated[bool, typer.Option("--compile", help="Compile the networks with torch.compile.")] = False,
    seed: Annotated[int | None, typer.Option(help="Of weights, patches and noise.")] = None,
    noise_dim: Annotated[int | None, typer.Option(min=0, help="Noise maps of a stochastic generator.")] = None,
    init: Annotated[str | None, typer.Option(help="Weights to start from.", show_default=False)] = None,
    log: Annotated[str, typer.Option(help="tensorboard, csv.")] = "csv,tensorboard",
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Train a network. Stop it at any time; --resume goes on."""
    with failures(debug):
        from mapsr_cli.cli.training import Request, flags, session

        given = flags(
            kernel=kernel,
            sigma=sigma,
            scale=scale,
            projection=projection and projection.value,
            pinv=pinv,
            batch=batch,
            patch=patch,
            steps=steps,
            minutes=minutes,
            seed=seed,
            noise_dim=noise_dim,
        )
        outcome = session(
            Request(
                method=method,
                location=data,
                out=out,
                resume=resume,
                config=config,
                assignments=assignments or [],
                flags=given,
                preset=preset,
                valid=valid,
                device=device,
                precision=precision,
                compiled=compiled,
                init=init,
                log=log,
                quiet=json,
            )
        )
        if outcome is None:
            return
        if json:
            document(outcome)
        else:
            result(str(outcome["weights"]))
            say(f"{outcome['steps']} steps in {outcome['seconds'] / 60:.1f} minutes")

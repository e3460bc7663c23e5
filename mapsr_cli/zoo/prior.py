"""A prior's checkpoint: a denoiser or a density model, as it was at one moment of its training."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal

import torch
from torch import nn

from mapsr_cli.errors import CheckpointError, UsageError
from mapsr_cli.networks import AnyDenoiser, AnyDenoiserConfig, Density, DensityConfig, build, read_config
from mapsr_cli.zoo.sealed import restore, write_checkpoint


@dataclass(frozen=True)
class PriorCard:
    """What a prior's checkpoint says about itself."""

    architecture: str
    """A key of networks.ARCHITECTURES: a denoiser's or a density model's."""
    config: dict[str, Any]
    """Fields of the architecture's config."""
    level: float
    """A denoiser's noise σ, in image units; 0 for a density model."""
    training: dict[str, Any] = field(default_factory=dict)
    """Data and terms, steps, minutes."""
    version: str = ""
    """mapsr's version that wrote it."""


@dataclass(frozen=True, eq=False)
class Prior:
    """A trained prior, with its card."""

    card: PriorCard
    network: AnyDenoiser | Density

    @property
    def kind(self) -> Literal["denoiser", "density"]:
        """Which criterion it can guide."""
        return "density" if isinstance(self.network, Density) else "denoiser"


def save_prior(path: Path, network: nn.Module, card: PriorCard) -> None:
    """Write weights (float32) and the card; to a temporary file first."""
    write_checkpoint(path, network, asdict(card), torch.float32)


def load_prior(path: Path) -> Prior:
    """Read a prior into a network in eval mode.

    Raises CheckpointError, in one line, for a file that is damaged, of an unknown format, not a prior's, or whose
    tensors are not exactly the network's that its header describes, all finite.
    """

    def understand(header: dict[str, Any]) -> tuple[PriorCard, AnyDenoiserConfig | DensityConfig]:
        try:
            card = PriorCard(**header)
            config = read_config(card.architecture, card.config)
            if not isinstance(config, AnyDenoiserConfig | DensityConfig):
                raise UsageError(f"'{card.architecture}' is no prior")
            if not (isinstance(card.level, int | float) and math.isfinite(card.level)):
                raise ValueError(f"level {card.level!r}")
        except (TypeError, ValueError, KeyError, AttributeError, UsageError) as error:
            raise CheckpointError(f"{path}: the header describes no prior ({shorten(str(error), 200)})") from error
        return card, config

    (card, _), network = restore(path, understand, lambda description: build(description[1]))
    assert isinstance(network, AnyDenoiser | Density)
    return Prior(card, network)


def load_snapshots(folder: Path) -> list[Prior]:
    """Load the priors that a run wrote to `folder`, oldest first: `000.safetensors`, `001.safetensors`, …

    Raises CheckpointError where there are none, or not all are of one architecture.
    """
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise CheckpointError(
            f"{folder}: no snapshots of a prior", "`mapsr train denoiser` and `mapsr train density` leave them"
        )
    priors = [load_prior(path) for path in paths]
    for path, prior in zip(paths, priors, strict=True):
        if prior.card.architecture != priors[0].card.architecture:
            raise CheckpointError(
                f"{path}: a {prior.card.architecture} among snapshots of a {priors[0].card.architecture}"
            )
    return priors

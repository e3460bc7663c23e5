"""Every network that a checkpoint may hold, by name and by config."""

from collections.abc import Callable
from typing import Any, overload

from torch import nn

from mapsr_cli.configs import make_config
from mapsr_cli.errors import UsageError, did_you_mean
from mapsr_cli.networks.compact import Compact, CompactConfig
from mapsr_cli.networks.denoiser import Denoiser, DenoiserConfig
from mapsr_cli.networks.density import Density, DensityConfig
from mapsr_cli.networks.discriminator import Discriminator, DiscriminatorConfig
from mapsr_cli.networks.generator import PaperGenerator, PaperGeneratorConfig
from mapsr_cli.networks.mlp import (
    MlpDenoiser,
    MlpDenoiserConfig,
    MlpDiscriminator,
    MlpDiscriminatorConfig,
    MlpGenerator,
    MlpGeneratorConfig,
)
from mapsr_cli.networks.named import Named, NamedConfig, find_arguments
from mapsr_cli.networks.restoring import Restoring, RestoringConfig
from mapsr_cli.networks.slim import Slim, SlimConfig

AnyGenerator = Compact | Slim | Restoring | PaperGenerator | MlpGenerator | Named
AnyGeneratorConfig = (
    CompactConfig | SlimConfig | RestoringConfig | PaperGeneratorConfig | MlpGeneratorConfig | NamedConfig
)
AnyDiscriminator = Discriminator | MlpDiscriminator
AnyDiscriminatorConfig = DiscriminatorConfig | MlpDiscriminatorConfig
AnyDenoiser = Denoiser | MlpDenoiser
AnyDenoiserConfig = DenoiserConfig | MlpDenoiserConfig
AnyConfig = AnyGeneratorConfig | AnyDiscriminatorConfig | AnyDenoiserConfig | DensityConfig

ARCHITECTURES: dict[str, tuple[Callable[[Any], nn.Module], type[Any]]] = {
    "compact": (Compact, CompactConfig),
    "slim": (Slim, SlimConfig),
    "restoring": (Restoring, RestoringConfig),
    "paper": (PaperGenerator, PaperGeneratorConfig),
    "mlp": (MlpGenerator, MlpGeneratorConfig),
    "discriminator": (Discriminator, DiscriminatorConfig),
    "mlp-discriminator": (MlpDiscriminator, MlpDiscriminatorConfig),
    "denoiser": (Denoiser, DenoiserConfig),
    "mlp-denoiser": (MlpDenoiser, MlpDenoiserConfig),
    "density": (Density, DensityConfig),
}


def architecture_of(config: AnyConfig) -> str:
    """Find the key of ARCHITECTURES that a config belongs to, or the architecture that the command line named."""
    if isinstance(config, NamedConfig):
        return config.architecture
    return next(name for name, (_, kind) in ARCHITECTURES.items() if kind is type(config))


@overload
def build(config: AnyGeneratorConfig) -> AnyGenerator: ...
@overload
def build(config: AnyDiscriminatorConfig) -> AnyDiscriminator: ...
@overload
def build(config: AnyDenoiserConfig) -> AnyDenoiser: ...
@overload
def build(config: DensityConfig) -> Density: ...
def build(config: AnyConfig) -> nn.Module:
    """Build the network that a config describes, freshly initialised."""
    if isinstance(config, NamedConfig):
        return Named(config)
    module, _ = ARCHITECTURES[architecture_of(config)]
    return module(config)


def for_use(network: nn.Module) -> nn.Module:
    """Make of a trained generator what is saved: the same function, without what only training needs."""
    return network.for_use() if isinstance(network, Slim) else network


def read_config(architecture: str, fields: dict[str, Any]) -> AnyConfig:
    """Read a config from JSON or TOML values (lists for tuples); fields left out take their defaults.

    Raises UsageError for an unknown architecture, and as `make_config` and `find_arguments`.
    """
    kind: type[Any] | None = ARCHITECTURES.get(architecture, (None, None))[1] or find_arguments(architecture)
    if kind is None:
        raise UsageError(f"unknown architecture '{architecture}'", did_you_mean(architecture, ARCHITECTURES))
    config: AnyConfig = make_config(kind, fields, f"architecture '{architecture}'")
    return config

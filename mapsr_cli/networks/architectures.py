"""Every network that a checkpoint may hold, by name and by config."""

from collections.abc import Callable
from typing import Any, get_args, get_origin, get_type_hints, overload

from torch import nn

from mapsr_cli.errors import UsageError
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

AnyGenerator = Compact | PaperGenerator | MlpGenerator
AnyGeneratorConfig = CompactConfig | PaperGeneratorConfig | MlpGeneratorConfig
AnyDiscriminator = Discriminator | MlpDiscriminator
AnyDiscriminatorConfig = DiscriminatorConfig | MlpDiscriminatorConfig
AnyDenoiser = Denoiser | MlpDenoiser
AnyDenoiserConfig = DenoiserConfig | MlpDenoiserConfig
AnyConfig = AnyGeneratorConfig | AnyDiscriminatorConfig | AnyDenoiserConfig | DensityConfig

ARCHITECTURES: dict[str, tuple[Callable[[Any], nn.Module], type[Any]]] = {
    "compact": (Compact, CompactConfig),
    "paper": (PaperGenerator, PaperGeneratorConfig),
    "mlp": (MlpGenerator, MlpGeneratorConfig),
    "discriminator": (Discriminator, DiscriminatorConfig),
    "mlp-discriminator": (MlpDiscriminator, MlpDiscriminatorConfig),
    "denoiser": (Denoiser, DenoiserConfig),
    "mlp-denoiser": (MlpDenoiser, MlpDenoiserConfig),
    "density": (Density, DensityConfig),
}


def architecture_of(config: AnyConfig) -> str:
    """The key of ARCHITECTURES that a config belongs to."""
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
    """The network that a config describes, freshly initialised."""
    module, _ = ARCHITECTURES[architecture_of(config)]
    return module(config)


def read_config(architecture: str, fields: dict[str, Any]) -> AnyConfig:
    """A config from what JSON or TOML make of its fields (lists for tuples); fields left out take their defaults.

    Raises UsageError for an unknown architecture or field, or a value of another type.
    """
    if architecture not in ARCHITECTURES:
        raise UsageError(f"unknown architecture '{architecture}'", f"known: {', '.join(ARCHITECTURES)}")
    _, kind = ARCHITECTURES[architecture]
    hints = get_type_hints(kind)
    if unknown := sorted(fields.keys() - hints.keys()):
        raise UsageError(f"architecture '{architecture}' has no field '{unknown[0]}'", f"known: {', '.join(hints)}")
    try:
        values = {name: _read(value, hints[name]) for name, value in fields.items()}
        for name, value in values.items():
            _check_sizes(name, value)
        config: AnyConfig = kind(**values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"architecture '{architecture}': {error}") from error
    return config


def _check_sizes(name: str, value: Any) -> None:
    """Refuse widths, sizes and counts below one, and lists of none."""
    if value == ():
        raise ValueError(f"{name} is empty")
    if isinstance(value, tuple):
        for item in value:
            _check_sizes(name, item)
    if type(value) is int and value < (0 if name == "noise_dim" else 1):
        raise ValueError(f"{name} must not be {value}")


def _read(value: Any, hint: Any) -> Any:
    """`value` as the annotation has it: numbers and truth values as they are, sequences as tuples."""
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise TypeError(f"{value!r} is not a list")
        kinds = get_args(hint)
        kinds = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
        return tuple(_read(item, kind) for item, kind in zip(value, kinds, strict=True))
    if type(value) is int and hint is float:
        return float(value)
    if type(value) is not hint:
        raise TypeError(f"{value!r} is not {hint.__name__}")
    return value

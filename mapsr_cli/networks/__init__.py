"""Plain nn.Modules, each with a frozen config dataclass beside it; constraints, and the estimator ŷ = Π f(x)."""

from mapsr_cli.networks.architectures import (
    ARCHITECTURES,
    AnyConfig,
    AnyDenoiser,
    AnyDenoiserConfig,
    AnyDiscriminator,
    AnyDiscriminatorConfig,
    AnyGenerator,
    AnyGeneratorConfig,
    architecture_of,
    build,
    for_use,
    read_config,
)
from mapsr_cli.networks.blend import Blend
from mapsr_cli.networks.compact import Compact, CompactConfig
from mapsr_cli.networks.constraints import (
    Affine,
    AffineConvolution,
    Constraint,
    ConstraintKind,
    FirstGuess,
    MinimumNorm,
    Soft,
    Unconstrained,
    make_constraint,
)
from mapsr_cli.networks.denoiser import Denoiser, DenoiserConfig
from mapsr_cli.networks.density import Density, DensityConfig, bits_per_dim
from mapsr_cli.networks.discriminator import Discriminator, DiscriminatorConfig
from mapsr_cli.networks.estimator import Estimator
from mapsr_cli.networks.foreign import Foreign, lay_out, memory_format_of
from mapsr_cli.networks.generator import PaperGenerator, PaperGeneratorConfig
from mapsr_cli.networks.layers import noise_dim_of, told_of
from mapsr_cli.networks.mlp import (
    MlpDenoiser,
    MlpDenoiserConfig,
    MlpDiscriminator,
    MlpDiscriminatorConfig,
    MlpGenerator,
    MlpGeneratorConfig,
)
from mapsr_cli.networks.named import Named, NamedConfig, NetworkCode, name_network
from mapsr_cli.networks.presets import DEFAULT_PRESET, DISCRIMINATORS, PRESETS, Preset, find_discriminator
from mapsr_cli.networks.restoring import Restoring, RestoringConfig
from mapsr_cli.networks.slim import Slim, SlimConfig

__all__ = [
    "ARCHITECTURES",
    "DEFAULT_PRESET",
    "DISCRIMINATORS",
    "PRESETS",
    "Affine",
    "AffineConvolution",
    "AnyConfig",
    "AnyDenoiser",
    "AnyDenoiserConfig",
    "AnyDiscriminator",
    "AnyDiscriminatorConfig",
    "AnyGenerator",
    "AnyGeneratorConfig",
    "Blend",
    "Compact",
    "CompactConfig",
    "Constraint",
    "ConstraintKind",
    "Denoiser",
    "DenoiserConfig",
    "Density",
    "DensityConfig",
    "Discriminator",
    "DiscriminatorConfig",
    "Estimator",
    "FirstGuess",
    "Foreign",
    "MinimumNorm",
    "MlpDenoiser",
    "MlpDenoiserConfig",
    "MlpDiscriminator",
    "MlpDiscriminatorConfig",
    "MlpGenerator",
    "MlpGeneratorConfig",
    "Named",
    "NamedConfig",
    "NetworkCode",
    "PaperGenerator",
    "PaperGeneratorConfig",
    "Preset",
    "Restoring",
    "RestoringConfig",
    "Slim",
    "SlimConfig",
    "Soft",
    "Unconstrained",
    "architecture_of",
    "bits_per_dim",
    "build",
    "find_discriminator",
    "for_use",
    "lay_out",
    "make_constraint",
    "memory_format_of",
    "name_network",
    "noise_dim_of",
    "read_config",
    "told_of",
]

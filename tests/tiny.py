"""The presets at the size of a test: the same kinds of networks at 8 channels, on patches of 16×16."""

from dataclasses import replace

from mapsr_cli.networks import (
    CompactConfig,
    DenoiserConfig,
    DensityConfig,
    DiscriminatorConfig,
    MlpDenoiserConfig,
    MlpDiscriminatorConfig,
    MlpGeneratorConfig,
    NamedConfig,
    PaperGeneratorConfig,
    Preset,
    RestoringConfig,
    SlimConfig,
)
from mapsr_cli.networks.architectures import AnyConfig


def tiny(preset: Preset) -> Preset:
    """`preset` with every network shrunk; the Swiss roll keeps its two pixels."""
    small = {role: _shrunk(getattr(preset, role)) for role in ("generator", "discriminator", "denoiser", "density")}
    return replace(preset, patch=preset.patch if preset.name == "swissroll" else (16, 16), **small)  # type: ignore[arg-type]


def _shrunk(config: AnyConfig) -> AnyConfig:
    match config:
        case CompactConfig():
            return replace(config, channels=8, blocks=1)
        case SlimConfig():
            return replace(config, channels=8, blocks=1, wide_every=1, wide_channels=4, dilations=(2,), expanded=True)
        case RestoringConfig():
            return replace(config, channels=8, blocks=1, restorer_channels=8, restorer_blocks=1)
        case PaperGeneratorConfig():
            return replace(config, widths=(8, 8, 8))
        case DiscriminatorConfig():
            return replace(config, widths=(8, 8), strides=config.strides[:2])
        case DenoiserConfig():
            return replace(config, widths=(8, 8))
        case DensityConfig():
            smaller = tuple((min(h, 3), min(w, 3)) for h, w in config.kernels[:2])
            return replace(config, kernels=smaller, channels=8, components=3, scales=2, features=4)
        case MlpGeneratorConfig() | MlpDiscriminatorConfig() | MlpDenoiserConfig():
            return replace(config, hidden=(8, 8))
        case NamedConfig():  # of no preset
            return config

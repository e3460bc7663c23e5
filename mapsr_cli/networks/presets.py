"""Kinds of data, with the networks that Appendix D trains on them."""

from dataclasses import dataclass, replace

from mapsr_cli.errors import UsageError, did_you_mean
from mapsr_cli.networks.architectures import (
    AnyDenoiserConfig,
    AnyDiscriminatorConfig,
    AnyGeneratorConfig,
)
from mapsr_cli.networks.compact import CompactConfig
from mapsr_cli.networks.denoiser import DenoiserConfig
from mapsr_cli.networks.density import DensityConfig
from mapsr_cli.networks.discriminator import DiscriminatorConfig
from mapsr_cli.networks.generator import PaperGeneratorConfig
from mapsr_cli.networks.mlp import MlpDenoiserConfig, MlpDiscriminatorConfig, MlpGeneratorConfig
from mapsr_cli.networks.restoring import RestoringConfig
from mapsr_cli.networks.slim import SlimConfig

_PATCH = DiscriminatorConfig(
    widths=(24, 48, 48, 96, 96, 192, 192),
    strides=(1, 2, 1, 2, 1, 2, 1),
    batch_norm=False,
    slope=0.2,
    local=True,
    spectral_norm=True,
    strided_kernel=4,
    head_kernel=3,
)

DISCRIMINATORS = {
    "grass": DiscriminatorConfig(widths=(32, 64, 128, 256), strides=(2, 2, 2, 2)),
    "faces": DiscriminatorConfig(
        widths=2 * (128,) + 2 * (256,) + 2 * (512,) + 2 * (1024,),
        strides=4 * (1, 2),
    ),
    "half": DiscriminatorConfig(
        widths=2 * (64,) + 2 * (128,) + 2 * (256,) + 2 * (512,),
        strides=4 * (1, 2),
    ),
    "strided": DiscriminatorConfig(widths=(64, 128, 256, 512), strides=(2, 2, 2, 2), batch_norm=False, slope=0.2),
    "patch": _PATCH,
    "unet": replace(_PATCH, decoder=True),
}
"""Discriminators of images by name: Appendix D's (`grass`; `faces`, natural images as well; `half` as wide), one
without batch normalisation, one of 0.83 million weights with a logit for every 8×8 pixels, and its U-Net, of 1.04
million, with a logit for every pixel."""


def find_discriminator(name: str, preset: AnyDiscriminatorConfig) -> DiscriminatorConfig:
    """Find one of DISCRIMINATORS, for images of as many colours as the preset's. Raises UsageError for other names.

    There are none for points, which have no neighbours.
    """
    if not isinstance(preset, DiscriminatorConfig) or name not in DISCRIMINATORS:
        raise UsageError(f"unknown discriminator.name '{name}' of images", did_you_mean(str(name), DISCRIMINATORS))
    return replace(DISCRIMINATORS[name], colours=preset.colours)


@dataclass(frozen=True)
class Preset:
    """Everything a training needs to know about a kind of data, as Appendix D gives it."""

    name: str
    """`grass`."""
    kernel: str
    """A's default kernel, a name that `make_kernel` knows."""
    scale: int
    """HR pixels per LR pixel."""
    sigma: float | None
    """Standard deviation of a Gaussian kernel, in HR pixels."""
    colours: int
    """Image channels."""
    patch: tuple[int, int]
    """HR (H, W) of a training patch."""
    generator: AnyGeneratorConfig
    """f."""
    discriminator: AnyDiscriminatorConfig
    """D, for the GAN."""
    denoiser: AnyDenoiserConfig
    """f_DAE, for denoiser guidance."""
    density: DensityConfig
    """p(y), for density guidance."""


SWISSROLL = Preset(
    name="swissroll",
    kernel="box",
    scale=2,
    sigma=None,
    colours=1,
    patch=(1, 2),
    generator=MlpGeneratorConfig(),
    discriminator=MlpDiscriminatorConfig(),
    denoiser=MlpDenoiserConfig(),
    # one row: p(y1), then p(y2 | y1) through 64 units twice
    density=DensityConfig(colours=1, kernels=((1, 3), (1, 1), (1, 1)), centre=0.0, spread=3.0),
)

GRASS = Preset(
    name="grass",
    kernel="gaussian9",
    scale=4,
    sigma=1.6,
    colours=3,
    patch=(64, 64),
    generator=PaperGeneratorConfig(widths=(32, 32, 64, 64, 128), skip_every=2),
    discriminator=DISCRIMINATORS["grass"],
    denoiser=DenoiserConfig(widths=4 * (128,)),
    density=DensityConfig(),
)

# Appendix D has neither denoiser nor density model for faces and natural images: twice the denoiser's depth, for
# structure larger than a blade of grass, and the same density model.
FACES = replace(
    GRASS,
    name="faces",
    generator=PaperGeneratorConfig(widths=4 * (128,) + 4 * (256,) + 4 * (512,), skip_every=4),
    discriminator=DISCRIMINATORS["faces"],
    denoiser=DenoiserConfig(widths=8 * (128,)),
)

NATURAL = replace(
    FACES,
    name="natural",
    patch=(128, 128),
    generator=PaperGeneratorConfig(widths=4 * (128,) + 4 * (256,), skip_every=2),
)

FACES_HALF = replace(
    FACES,
    name="faces-half",
    generator=PaperGeneratorConfig(widths=4 * (64,) + 4 * (128,) + 4 * (256,), skip_every=4),
    discriminator=DISCRIMINATORS["half"],
)

NATURAL_HALF = replace(
    NATURAL,
    name="natural-half",
    generator=PaperGeneratorConfig(widths=4 * (64,) + 4 * (128,), skip_every=2),
    discriminator=DISCRIMINATORS["half"],
)

# The zoo's, for photographs: no batch normalisation anywhere, so that a network does the same in training, in
# inference, and on patches of any size.
COMPACT = Preset(
    name="compact",
    kernel="bicubic",
    scale=4,
    sigma=None,
    colours=3,
    patch=(192, 192),
    generator=CompactConfig(scale=4, channels=64, blocks=14),
    discriminator=DISCRIMINATORS["unet"],
    denoiser=DenoiserConfig(widths=8 * (64,), batch_norm=False),
    density=DensityConfig(),
)

SLIM = replace(COMPACT, name="slim", generator=SlimConfig())
RESTORING = replace(COMPACT, name="restoring", generator=RestoringConfig())

PRESETS = {
    preset.name: preset
    for preset in (SWISSROLL, GRASS, FACES, NATURAL, FACES_HALF, NATURAL_HALF, COMPACT, SLIM, RESTORING)
}
DEFAULT_PRESET = COMPACT.name

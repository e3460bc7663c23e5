import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from mapsr_cli.networks import DEFAULT_PRESET, PRESETS, Preset, build
from mapsr_cli.networks.architectures import AnyConfig
from mapsr_cli.operators import downsampling, make_kernel
from tests.tiny import tiny

every_preset = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
PARAMETERS = {  # generator, discriminator, denoiser, density
    "swissroll": (4_418, 4_417, 67_074, 14_176),
    "grass": (195_088, 389_153, 450_307, 208_160),
    "faces": (10_996_144, 18_739_073, 1_041_155, 208_160),
    "natural": (2_623_920, 18_739_073, 1_041_155, 208_160),
    "faces-half": (2_807_024, 4_687_809, 1_041_155, 208_160),
    "natural-half": (685_296, 4_687_809, 1_041_155, 208_160),
    "compact": (1_063_472, 1_041_985, 262_019, 208_160),
    "slim": (477_312, 1_041_985, 262_019, 208_160),
    "restoring": (1_217_283, 1_041_985, 262_019, 208_160),
}


def configs(preset: Preset) -> tuple[AnyConfig, ...]:
    return preset.generator, preset.discriminator, preset.denoiser, preset.density


def parameters(config: AnyConfig) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in build(config).parameters())


def chain(widths: tuple[int, ...], taps: int = 9, offsets: int = 2) -> int:
    """Parameters of a chain of 3×3 convolutions, each followed by normalisation with a gain and an offset per map."""
    return sum(taps * a * b + offsets * b for a, b in pairwise(widths))


@every_preset
def test_parameter_counts(preset: Preset) -> None:
    assert tuple(parameters(config) for config in configs(preset)) == PARAMETERS[preset.name]


def test_parameter_counts_by_hand() -> None:
    grass, faces = PRESETS["grass"], PRESETS["faces"]
    assert parameters(grass.generator) == chain((3, 32, 32, 64, 64, 128)) + chain((128, 48), offsets=1)
    assert parameters(faces.generator) == chain((3, *4 * (128,), *4 * (256,), *4 * (512,))) + chain(
        (512, 48), offsets=1
    )
    assert parameters(grass.discriminator) == chain((3, 32, 64, 128, 256)) + 256 + 1
    assert parameters(grass.denoiser) == chain((3, *4 * (128,))) + chain((128, 3), offsets=1)
    context = chain((4, 64), 4 * 7, 1) + 3 * chain((64, 64), 3 * 5, 1)
    colours = sum(32 * (d + 1) + 32 * d + 32 * 32 + 2 * 32 * 4 for d in (64, 65, 66))  # a, u; b; β; η, α
    assert parameters(grass.density) == context + colours
    mlp = PRESETS["swissroll"]
    assert parameters(mlp.generator) == (1 * 64 + 64) + (64 * 64 + 64) + (64 * 2 + 2)


def test_parameter_counts_are_those_that_the_documentation_states() -> None:
    text = (Path(__file__).parents[2] / "docs/networks.md").read_text()
    rows = re.findall(r"^\| `([\w-]+)` \|(.*)\|$", text, re.MULTILINE)
    stated = {name: tuple(int(n.replace(",", "")) for n in row.split("|")[1:]) for name, row in rows}
    assert stated == PARAMETERS


@every_preset
def test_the_pieces_fit_together(preset: Preset) -> None:
    """LR patch → generator → HR patch → discriminator, denoiser, density; at the width that tests use."""
    small = tiny(preset)
    op = downsampling(make_kernel(small.kernel, small.scale, small.sigma), small.patch)
    y = torch.rand(2, small.colours, *small.patch)
    x = op.down(y)
    estimate = op.project(build(small.generator)(x), x)
    assert estimate.shape == y.shape
    logits = build(small.discriminator)(estimate)
    local = getattr(small.discriminator, "local", False)
    assert logits.shape == ((2, logits[0].numel()) if local else (2,))
    assert build(small.denoiser)(estimate).shape == y.shape
    assert build(small.density).log_prob(estimate).shape == (2,)


@every_preset
def test_configs_agree_with_their_preset(preset: Preset) -> None:
    assert {config.colours for config in configs(preset)} == {preset.colours}
    assert preset.generator.scale == preset.scale
    assert PRESETS[preset.name] is preset
    assert [type(c) for c in configs(preset)] == [type(c) for c in configs(tiny(preset))]


def test_the_default_is_the_zoos() -> None:
    assert DEFAULT_PRESET == "compact"
    for config in configs(PRESETS["compact"]):
        assert not [m for m in build(config).modules() if isinstance(m, torch.nn.BatchNorm2d)]

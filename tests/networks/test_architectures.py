"""What every network does, whatever it is for."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from mapsr_cli.errors import UsageError
from mapsr_cli.networks import (
    ARCHITECTURES,
    PRESETS,
    AnyConfig,
    AnyGeneratorConfig,
    CompactConfig,
    DensityConfig,
    MlpDenoiserConfig,
    MlpDiscriminatorConfig,
    PaperGeneratorConfig,
    architecture_of,
    build,
    read_config,
)
from tests.tiny import tiny

CONFIGS = {
    architecture_of(config): config
    for preset in map(tiny, PRESETS.values())
    for config in (preset.generator, preset.discriminator, preset.denoiser, preset.density)
}
every_network = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def shape_for(config: AnyConfig) -> tuple[int, ...]:
    """What goes in: an LR or HR batch of two."""
    if isinstance(config, MlpDenoiserConfig | MlpDiscriminatorConfig):
        return 2, 1, 1, 2
    return (2, config.colours, 1, 1) if architecture_of(config) == "mlp" else (2, config.colours, 8, 12)


def test_every_architecture_is_tried_here() -> None:
    assert CONFIGS.keys() == ARCHITECTURES.keys()


@every_network
def test_a_config_survives_json(config: AnyConfig) -> None:
    assert read_config(architecture_of(config), json.loads(json.dumps(asdict(config)))) == config


@every_network
def test_it_is_the_same_for_the_same_seed(config: AnyConfig) -> None:
    x = torch.rand(shape_for(config))
    outputs = []
    for _ in range(2):
        torch.manual_seed(3)
        outputs.append(build(config)(x))
    assert torch.equal(*outputs)
    assert build(config).config == config


@every_network
def test_every_parameter_learns(config: AnyConfig) -> None:
    torch.manual_seed(0)
    network = build(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)  # away from zero-initialised last layers
    network(torch.rand(shape_for(config))).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0, name


@every_network
def test_channels_last(config: AnyConfig) -> None:
    torch.manual_seed(0)
    network, x = build(config).double().eval(), torch.rand(shape_for(config), dtype=torch.float64)
    expected = network(x)
    strided = network.to(memory_format=torch.channels_last)(  # type: ignore[call-overload]
        x.to(memory_format=torch.channels_last)
    )
    assert torch.allclose(strided, expected, atol=1e-12)


@every_network
def test_stays_on_its_device(config: AnyConfig) -> None:
    """With every parameter and buffer on a (fake) GPU, nothing else is left on the CPU."""
    network = build(config).eval()
    with FakeTensorMode():
        tensors = dict(network.named_parameters()) | dict(network.named_buffers())
        there = {name: torch.empty(t.shape, dtype=t.dtype, device="cuda") for name, t in tensors.items()}
        out: Tensor = torch.func.functional_call(network, there, torch.empty(shape_for(config), device="cuda"))
    assert out.device.type == "cuda"


@every_network
def test_trains_elsewhere_than_on_the_cpu(config: AnyConfig) -> None:
    """A whole step on the meta device, which refuses to mix with tensors of the CPU as a GPU does."""
    with torch.device("meta"):
        network = build(config)
        network(torch.empty(shape_for(config))).sum().backward()
    assert all(p.grad is not None and p.grad.is_meta for p in network.parameters())


@every_network
def test_gradient_reaches_the_input(config: AnyConfig) -> None:
    torch.manual_seed(0)
    network = build(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x = torch.rand(shape_for(config), requires_grad=True)
    network(x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("architecture", "fields"),
    [
        ("other", {}),
        ("paper", {"depth": 3}),
        ("paper", {"widths": 8}),
        ("paper", {"widths": []}),
        ("paper", {"widths": [8, -8]}),
        ("paper", {"widths": ["8"]}),
        ("paper", {"skip_every": 0}),
        ("compact", {"scale": 4.0}),
        ("compact", {"channels": True}),
        ("compact", {"noise_dim": -1}),
        ("slim", {"slope": 1.0}),
        ("slim", {"dilations": []}),
        ("discriminator", {"widths": [8, 8], "strides": [2]}),
        ("discriminator", {"batch_norm": 1}),
        ("density", {"kernels": [[3, 3, 3]]}),
        ("density", {"kernels": [[4, 4]]}),
        ("density", {"kernels": [3]}),
        ("density", {"spread": "wide"}),
        ("density", {"floor": 0.0}),
        ("mlp", {"size": [1]}),
    ],
)
def test_odd_configs_are_refused(architecture: str, fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        read_config(architecture, fields)


def test_what_json_makes_of_numbers_and_tuples() -> None:
    assert read_config("paper", {"widths": [8, 16]}) == PaperGeneratorConfig(widths=(8, 16))
    assert read_config("density", {"kernels": [[1, 3]], "spread": 1}) == DensityConfig(kernels=((1, 3),), spread=1.0)
    assert read_config("compact", {"scale": 2, "channels": 8, "blocks": 1}) == CompactConfig(2, 8, 1, 3, 0)


@pytest.mark.parametrize("config", [c for c in CONFIGS.values() if isinstance(c, AnyGeneratorConfig)])
def test_generators_take_noise(config: AnyGeneratorConfig) -> None:
    network = build(replace(config, noise_dim=2))
    shape = shape_for(config)
    out = network(torch.rand(shape), torch.randn(shape[0], 2, *shape[2:]))
    assert out.shape[:2] == shape[:2]

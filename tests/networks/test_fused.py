import pytest
import torch
from torch import nn
from torch.nn import functional

from mapsr_cli.networks import Compact, CompactConfig
from mapsr_cli.networks import fused as module
from mapsr_cli.networks.fused import conv_add, conv_relu


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_as_one_after_the_other(dtype: torch.dtype, memory_format: torch.memory_format) -> None:
    if not module._works(dtype):
        pytest.skip("this processor or torch fuses nothing in that precision")
    conv = nn.Conv2d(16, 16, 3, padding=1).to(dtype).requires_grad_(False)
    x, onto = (torch.randn(2, 16, 9, 7).to(dtype).contiguous(memory_format=memory_format) for _ in range(2))
    expected = functional.relu(conv(x)), onto + conv(x)
    with torch.inference_mode():
        found = conv_relu(conv, x), conv_add(conv, x, onto)
    for f, e in zip(found, expected, strict=True):
        torch.testing.assert_close(f, e, rtol=4 * torch.finfo(dtype).eps, atol=4 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("fusing", [True, False])
def test_a_network_is_the_same_without(fusing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Compact(CompactConfig(channels=16, blocks=3)).requires_grad_(False)
    nn.init.normal_(network.tail.weight, std=0.1)
    x = torch.rand(1, 3, 12, 15).contiguous(memory_format=torch.channels_last)
    expected = network(x)
    calls = []

    def works(dtype: torch.dtype) -> bool:
        calls.append(dtype)
        return fusing and real(dtype)

    real = module._works
    monkeypatch.setattr(module, "_works", works)
    with torch.inference_mode():
        found = network(x)
    assert len(calls) == 6
    assert (found - expected).abs().max() <= 1e-6


@pytest.mark.parametrize("inference", [True, False])
def test_autocast_casts(inference: bool) -> None:
    """The weights stay float32 while what comes in becomes bf16, layer by layer."""
    network = Compact(CompactConfig(channels=16, blocks=2)).requires_grad_(False)
    nn.init.normal_(network.tail.weight, std=0.1)
    x = torch.rand(1, 3, 12, 15)
    with torch.inference_mode(inference), torch.autocast("cpu", torch.bfloat16):
        found = network(x)
    assert found.dtype == torch.bfloat16
    assert (found.float() - network(x)).abs().max() < 0.05


def test_training_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_works", lambda dtype: pytest.fail("asked"))
    network, x = Compact(CompactConfig(channels=8, blocks=1)), torch.rand(1, 3, 4, 4, requires_grad=True)
    network(x).sum().backward()
    h = torch.rand(1, 8, 4, 4)
    before = h.clone()
    with torch.no_grad():
        network.body(h)
    assert torch.equal(h, before)


def test_without_the_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another torch may lack them, or have them take something else."""
    module._works.cache_clear()
    monkeypatch.setattr(torch.ops.mkldnn, "_convolution_pointwise", None, raising=False)
    assert not module._works(torch.float32)
    module._works.cache_clear()

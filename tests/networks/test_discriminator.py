from dataclasses import replace

import pytest
import torch
from torch import nn

from mapsr_cli.networks import (
    DISCRIMINATORS,
    PRESETS,
    Discriminator,
    DiscriminatorConfig,
    MlpDiscriminatorConfig,
    build,
)

TINY = DiscriminatorConfig(widths=(8, 12), strides=(1, 2))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 16), (17, 31)])
def test_one_logit_per_image_of_any_size(size: tuple[int, int]) -> None:
    assert Discriminator(TINY)(torch.rand(3, 3, *size)).shape == (3,)


def test_logits_are_not_squashed() -> None:
    network = Discriminator(replace(TINY, batch_norm=False))
    with torch.no_grad():
        network.head.weight.mul_(1000)
        logits = network(torch.randn(64, 3, 8, 8))
    assert logits.abs().max() > 1


def test_without_batch_norm_images_do_not_mix() -> None:
    network = Discriminator(replace(TINY, batch_norm=False))
    y = torch.rand(4, 3, 8, 8)
    assert torch.allclose(network(y)[:1], network(y[:1]), atol=1e-6)
    mixing = Discriminator(TINY)
    assert not torch.allclose(mixing(y)[:2], mixing(y[:2]), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "widths", "stride"),
    [("grass", [32, 64, 128, 256], 16), ("faces", [128, 128, 256, 256, 512, 512, 1024, 1024], 16)],
)
def test_layers_are_those_of_appendix_d(name: str, widths: list[int], stride: int) -> None:
    network = build(PRESETS[name].discriminator)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [layer.out_channels for layer in layers] == widths
    assert torch.tensor([layer.stride[0] for layer in layers]).prod() == stride
    assert len([m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]) == len(widths)
    assert {m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU)} == {0.0}  # ReLU


def test_local_logits_are_those_of_places() -> None:
    """Their mean is the image's logit, and a change far away leaves them as they were."""
    whole = Discriminator(replace(TINY, batch_norm=False))
    local = Discriminator(replace(TINY, batch_norm=False, local=True))
    local.load_state_dict(whole.state_dict())
    y = torch.rand(2, 3, 16, 16)
    logits = local(y)
    assert logits.shape == (2, 8 * 8)
    assert torch.allclose(logits.mean(dim=1), whole(y), atol=1e-6)
    y[..., -2:] = 0
    changed = (local(y) != logits).view(2, 8, 8)
    assert not changed[..., :4].any()
    assert changed[..., -1].all()


def test_it_can_tell_two_textures_apart() -> None:
    torch.manual_seed(0)
    network = Discriminator(TINY)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    smooth, rough = torch.full((8, 3, 8, 8), 0.5), 0.5 + 0.2 * torch.randn(8, 3, 8, 8)
    target = torch.tensor([0.0, 1.0]).repeat_interleave(8)
    losses = []
    for _ in range(40):
        loss = nn.functional.binary_cross_entropy_with_logits(network(torch.cat([smooth, rough])), target)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]


def test_the_swiss_rolls() -> None:
    assert build(MlpDiscriminatorConfig())(torch.randn(5, 1, 1, 2)).shape == (5,)


def test_every_layer_has_its_stride() -> None:
    with pytest.raises(ValueError, match="2 widths but 1 strides"):
        DiscriminatorConfig(widths=(8, 8), strides=(2,))


def test_the_patch_discriminator_is_the_prototypes() -> None:
    """Of shared/prototypes/affgan.py, written out: the same logits, with the same weights, for each 8×8 pixels."""

    def norm(conv: nn.Conv2d) -> nn.Module:
        return nn.utils.parametrizations.spectral_norm(conv)

    torch.manual_seed(0)
    ours = Discriminator(DISCRIMINATORS["patch"]).double()
    layers: list[nn.Module] = [nn.Conv2d(3, 24, 3, padding=1)]
    for a, b in ((24, 48), (48, 96), (96, 192)):
        layers += [nn.LeakyReLU(0.2), norm(nn.Conv2d(a, b, 4, 2, 1)), nn.LeakyReLU(0.2), norm(nn.Conv2d(b, b, 3, 1, 1))]
    wanted = nn.Sequential(*layers, nn.LeakyReLU(0.2), nn.Conv2d(192, 1, 3, padding=1)).double()
    assert [p.shape for p in ours.parameters()] == [p.shape for p in wanted.parameters()]
    wanted.load_state_dict(dict(zip(wanted.state_dict(), ours.state_dict().values(), strict=True)))
    y = torch.rand(2, 3, 24, 40, dtype=torch.float64)
    logits = ours.eval()(y)
    assert logits.shape == (2, 3 * 5)
    assert torch.allclose(logits, wanted.eval()(y - 0.5).flatten(1), rtol=0, atol=1e-12)


def test_spectral_norm_bounds_each_layer_but_the_first() -> None:
    torch.manual_seed(0)
    network = Discriminator(DISCRIMINATORS["patch"]).train()
    y = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        for _ in range(30):  # each pass takes a step of the power iteration
            network(y)
    convs = [m for m in network.body if isinstance(m, nn.Conv2d)]
    largest = [torch.linalg.matrix_norm(conv.weight.detach().flatten(1), 2).item() for conv in convs]
    assert largest[1:] == pytest.approx([1.0] * 6, abs=0.05)
    assert largest[0] != pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("size", [(24, 40), (13, 27), (8, 8)])
def test_the_u_net_has_a_logit_for_each_pixel(size: tuple[int, int]) -> None:
    network = Discriminator(DISCRIMINATORS["unet"])
    assert network(torch.rand(2, 3, *size)).shape == (2, size[0] * size[1])
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(1.04e6, rel=0.01)


def test_a_logit_of_the_u_net_sees_its_pixel_and_far_around() -> None:
    """As far as the last layer of the discriminator that it goes back from; and its pixel most of all."""
    torch.manual_seed(0)
    y = torch.rand(1, 3, 64, 64, dtype=torch.float64, requires_grad=True)
    config = replace(DISCRIMINATORS["unet"], spectral_norm=False)  # which zeros, below, have none of
    whole = Discriminator(config).double().eval()
    (seen,) = torch.autograd.grad(whole(y).view(64, 64)[32, 32], y)
    by_column = seen.abs().sum((0, 1, 2))
    assert bool((by_column[12:52] > 0).all())
    assert int(by_column.argmax()) in range(30, 35)
    for layer in whole.decoder or ():
        for weight in layer.parameters():
            torch.nn.init.zeros_(weight)
    first = Discriminator(replace(config, widths=(24,), strides=(1,), decoder=False)).double().eval()
    kept = {name: value for name, value in whole.state_dict().items() if not name.startswith("decoder")}
    first.load_state_dict({name: kept[name] for name in first.state_dict()})
    assert torch.allclose(whole(y), first(y), rtol=0, atol=1e-12)  # without what it decodes: the first layer's


@pytest.mark.parametrize("name", ["grass", "half"])
def test_any_discriminator_can_be_a_u_net(name: str) -> None:
    """With a stride in the first layer, there is a logit for each of its positions, or their mean for the image."""
    strides = DISCRIMINATORS[name].strides[:4]
    config = replace(DISCRIMINATORS[name], widths=(4, 6, 8, 10), strides=strides, decoder=True)
    assert Discriminator(config)(torch.rand(2, 3, 16, 16)).shape == (2,)
    positions = (16 // config.strides[0]) ** 2
    assert Discriminator(replace(config, local=True))(torch.rand(2, 3, 16, 16)).shape == (2, positions)


def test_kernels_of_four_at_stride_two_count_every_pixel_equally_often() -> None:
    """The gradient of the sum of all logits, away from borders: 4×4 kernels of ones have no grid, 3×3 ones have."""
    flat = {}
    for side in (3, 4):
        network = Discriminator(
            replace(TINY, widths=(1,), strides=(2,), batch_norm=False, strided_kernel=side, slope=1.0)
        )
        with torch.no_grad():
            for p in network.body.parameters():
                p.fill_(1.0)
        y = torch.rand(1, 3, 16, 16, requires_grad=True)
        network(y).sum().backward()
        assert y.grad is not None
        flat[side] = float(y.grad[..., 4:12, 4:12].std() / y.grad.abs().mean())
    assert flat[4] < 1e-6 < 0.1 < flat[3]


@pytest.mark.parametrize("local", [False, True])
def test_a_wider_head_gives_a_logit_or_one_per_position(local: bool) -> None:
    network = Discriminator(replace(TINY, head_kernel=3, local=local))
    assert network(torch.rand(2, 3, 8, 8)).shape == ((2, 16) if local else (2,))


def test_one_normalisation_at_a_time() -> None:
    with pytest.raises(ValueError, match="spectral_norm takes the place"):
        DiscriminatorConfig(spectral_norm=True)

"""Mixtures of a model and its twin."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from mapsr_cli.errors import UsageError
from mapsr_cli.networks import Blend, Compact, CompactConfig, PaperGenerator, PaperGeneratorConfig
from mapsr_cli.operators import make_kernel
from mapsr_cli.zoo import Card, Model, bundled_models, describe_kernel, find_model, load_model, textured, twins

KERNEL = make_kernel("bicubic", 4)
X = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(0))


def compact(seed: int = 0, noise_dim: int = 0) -> Compact:
    torch.manual_seed(seed)
    network = Compact(CompactConfig(channels=8, blocks=1, noise_dim=noise_dim)).eval()
    nn.init.normal_(network.tail.weight, std=0.1)
    return network


def near(network: nn.Module, share: float) -> nn.Module:
    """The network with weights that are off by that share of themselves."""
    other = compact()
    other.load_state_dict({name: value * (1 + share) for name, value in network.state_dict().items()})
    return other


def model(network: nn.Module, constraint: str = "affine", kernel: str = "bicubic") -> Model:
    made = make_kernel(kernel, 4)
    card = Card("some-model", "compact", {}, describe_kernel(made), constraint, "affmse")
    return Model(card, network, made)


def estimate(network: nn.Module) -> Tensor:
    with torch.inference_mode():
        value: Tensor = network(X)
        return value


def test_weights_of_relatives_are_interpolated() -> None:
    mean = compact()
    twin = near(mean, 0.2)
    mixed = textured(model(mean), 0.5, model(twin)).network
    assert isinstance(mixed, Compact)
    assert torch.allclose(mixed.tail.weight, 1.1 * mean.tail.weight)
    assert not torch.equal(mean.tail.weight, mixed.tail.weight)  # the model that was given stays as it is


@pytest.mark.parametrize(
    "twin", [compact(1), near(compact(), 0.3), PaperGenerator(PaperGeneratorConfig(widths=(8,))).eval()]
)
def test_estimates_of_strangers_are_mixed(twin: nn.Module) -> None:
    mean: nn.Module = compact()
    if isinstance(twin, PaperGenerator):
        mean = PaperGenerator(PaperGeneratorConfig(widths=(8, 8))).eval()
    mixed = textured(model(mean), 0.25, model(twin)).network
    assert isinstance(mixed, Blend)
    assert torch.allclose(estimate(mixed), 0.75 * estimate(mean) + 0.25 * estimate(twin), atol=1e-6)


@pytest.mark.parametrize("twin", [near(compact(), 0.2), compact(1)])
def test_the_ends_are_the_two_to_the_bit(twin: nn.Module) -> None:
    mean = compact()
    for texture, alone in ((0.0, mean), (1.0, twin)):
        assert torch.equal(estimate(textured(model(mean), texture, model(twin)).network), estimate(alone))


def test_another_stop_of_the_same_two() -> None:
    mixed = textured(model(compact()), 0.25, model(compact(1)))
    other = mixed.at(0.75)
    assert (other.texture, other.mean, other.twin) == (0.75, mixed.mean, mixed.twin)
    assert other.identity == "some-model + some-model"


def test_whatever_has_some_of_the_twin_invents() -> None:
    assert [textured(model(compact()), t, model(compact(1))).invents for t in (0.0, 0.1, 1.0)] == [False, True, True]


@pytest.mark.parametrize("texture", [-0.1, 1.1, float("nan")])
def test_texture_is_a_share(texture: float) -> None:
    with pytest.raises(UsageError, match="a texture of"):
        textured(model(compact()), texture, model(compact(1)))


@pytest.mark.parametrize(
    "twin",
    [model(compact(1), "none"), model(compact(1), kernel="box"), model(compact(1, noise_dim=2)),
     model(PaperGenerator(PaperGeneratorConfig(widths=(8,)))),
     replace(model(compact(1)), pinv=torch.zeros(16, 3, 3))],
)  # fmt: skip
def test_what_is_not_for_the_same_task_is_refused(twin: Model) -> None:
    with pytest.raises(UsageError, match="cannot be mixed"):
        textured(model(compact()), 0.5, twin)


def test_twins_are_bundled_and_fit_together() -> None:
    assert "natural-x4-affmse" in twins()
    for mean, twin in twins().items():
        mixed = textured(load_model(find_model(twin)), 0.5)  # either of them names the pair
        assert (mixed.mean.card.name, mixed.twin.card.name) == (mean, twin)
        assert mixed.card.error_bars is None  # they are of the mean's pictures


@pytest.mark.parametrize("name", [name for name in bundled_models() if name not in {*twins(), *twins().values()}])
def test_others_have_none_and_one_line_says_so(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} has no twin that invents texture") as refused:
        textured(load_model(find_model(name)), 0.5)
    assert "natural-x4-affmse" in refused.value.hint

import pytest
import torch

from mapsr_cli.networks import Affine, Blend, Compact, CompactConfig
from mapsr_cli.operators import Point, make_kernel

X = torch.rand(2, 3, 8, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def network(seed: int, blocks: int) -> Compact:
    torch.manual_seed(seed)
    made = Compact(CompactConfig(channels=8, blocks=blocks)).double().eval()
    torch.nn.init.normal_(made.tail.weight, std=0.1)
    return made


FIRST, SECOND = network(0, 1), network(1, 3)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_a_mixture_of_estimates_is_the_estimate_of_the_mixture(share: float) -> None:
    """Π is affine: Π((1 − t) f₀ + t f₁) = (1 − t) Π f₀ + t Π f₁, of which A gives x back."""
    affine = Affine(make_kernel("bicubic", 4))
    with torch.no_grad():
        mixed = affine(Blend(FIRST, SECOND, share)(X), Point(X))
        ends = [affine(end(X), Point(X)) for end in (FIRST, SECOND)]
    assert torch.allclose(mixed, (1 - share) * ends[0] + share * ends[1], rtol=0, atol=1e-10)
    assert (affine.down(mixed) - X).abs().max() < 1e-10


def test_at_the_ends_one_of_them_runs_alone_to_the_bit() -> None:
    for share, alone in ((0.0, FIRST), (1.0, SECOND)):
        assert torch.equal(Blend(FIRST, SECOND, share)(X), alone(X))


def test_it_sees_as_far_as_the_one_that_sees_farther() -> None:
    assert Blend(FIRST, SECOND, 0.5).receptive_field == SECOND.receptive_field
    assert Blend(SECOND, FIRST, 0.5).receptive_field == SECOND.receptive_field
    assert Blend(FIRST, SECOND, 0.5).detail == FIRST.detail

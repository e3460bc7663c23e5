"""Evidence sets: P_C is the projection onto C, and f + A⁺(P_C(A f) − A f) satisfies the evidence."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mapsr_cli.operators import TOLD, Evidence, LevelCube, NoiseCube, Point, downsampling, make_kernel, to_levels
from tests.evidence import quantised

EXACT = 1e-10
KINDS = ["point", "levels", "levels with a margin", "noise", "noise with a margin"]


def evidence_of(kind: str, seed: int, size: tuple[int, ...] = (3, 6, 7)) -> Evidence:
    """Levels 0 … 255 with many at both ends."""
    x = to_levels(128 + 200 * draw(seed, size), 255)
    if kind == "blocks":
        return quantised(x, 8.0)
    if kind.startswith("noise"):
        return NoiseCube(x, 7.0, margin=0.25 if "margin" in kind else 0.0)
    return Point(x) if kind == "point" else LevelCube(x, 255, margin=0.01 if "margin" in kind else 0.0)


def draw(seed: int, size: tuple[int, ...]) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 999))
def test_nearest_is_the_projection_onto_a_convex_set(kind: str, seed: int) -> None:
    """P v lies in C; ⟨v − P v, c − P v⟩ ≤ 0 for every c in C, which only the nearest point fulfils; P² = P."""
    evidence = evidence_of(kind, seed)
    v, other = 127 + 300 * draw(seed + 1, (3, 6, 7)), 127 + 300 * draw(seed + 2, (3, 6, 7))
    z, inside = evidence.nearest(v), evidence.nearest(other)
    assert evidence.violation(z).max() <= EXACT
    assert torch.equal(evidence.nearest(z), z)
    assert ((v - z) * (inside - z)).sum() <= EXACT
    assert (z - inside).norm() <= (v - other).norm() + EXACT


@pytest.mark.parametrize("kind", KINDS)
def test_violation_is_the_distance_of_each_sample(kind: str) -> None:
    evidence = evidence_of(kind, 0)
    v = 127 + 300 * draw(1, (3, 6, 7))
    low, high = evidence.bounds()
    assert (low <= evidence.coordinates(evidence.nearest(v))).all()
    assert (evidence.coordinates(evidence.nearest(v)) <= high).all()
    assert torch.allclose(evidence.violation(v), (v - evidence.nearest(v)).abs(), atol=EXACT)


@pytest.mark.parametrize("kind", [*KINDS, "blocks"])
@pytest.mark.parametrize("height", [1, 63, 64, 131])
def test_bands_are_the_whole(kind: str, height: int) -> None:
    """A point, a cube and blocks of pixels say of each band what they say of the whole image."""
    whole, ay = evidence_of(kind, 5, (3, height, 9)), 127 + 150 * draw(6, (3, height, 9))
    bands = list(whole.bands())
    assert [row for band, _ in bands for row in range(height)[band]] == list(range(height))
    nearest = torch.cat([said.nearest(ay[None, :, band])[0] for band, said in bands], 1)
    assert (nearest - whole.nearest(ay)).abs().max() <= EXACT
    residual = ay - whole.x
    violated = torch.cat([said.violated(residual[None, :, band])[0] for band, said in bands], 1)
    assert torch.equal(violated, whole.violated(residual))


@pytest.mark.parametrize(("kind", "floating"), [(torch.uint8, torch.float32), (torch.uint16, torch.float64)])
def test_levels_may_stay_whole_numbers(kind: torch.dtype, floating: torch.dtype) -> None:
    """Parts of them, and what is computed of them, are what they are in the floating-point type."""
    peak = 255 if kind == torch.uint8 else 65535
    x = to_levels(peak * (0.5 + draw(7, (3, 70, 6))), peak).to(floating)
    ay = peak * (0.5 + draw(8, (3, 70, 6)).to(floating))
    for stored, plain in ((Point(x.to(kind)), Point(x)), (LevelCube(x.to(kind), peak), LevelCube(x, peak))):
        for (_, a), (band, b) in zip(stored.bands(), plain.bands(), strict=True):
            assert a.x.dtype == floating
            assert torch.equal(a.nearest(ay[None, :, band]), b.nearest(ay[None, :, band]))
        assert torch.equal(stored.violation(ay), plain.violation(ay))
        assert torch.equal(stored.told(), plain.told())
        assert stored.told().dtype == floating


@pytest.mark.parametrize("kind", [*KINDS, "blocks"])
@pytest.mark.parametrize(("name", "scale"), [("bicubic", 4), ("gaussian9", 3), ("box", 2)])
def test_the_estimate_satisfies_the_evidence(kind: str, name: str, scale: int) -> None:
    """A ŷ = z for ŷ = f + A⁺(z − A f), z = P_C(A f); for a point it is Π f, eqn (7)."""
    op = downsampling(make_kernel(name, scale), (6 * scale, 7 * scale), torch.float64)
    evidence, f = evidence_of(kind, 3), 127 + 100 * draw(4, (3, 6 * scale, 7 * scale))
    z = evidence.nearest(op.down(f))
    estimate = op.project(f, z)
    assert torch.allclose(op.down(estimate), z, atol=EXACT * 255)
    assert evidence.violation(op.down(estimate)).max() <= EXACT * 255
    if isinstance(evidence, Point):
        assert torch.equal(estimate, op.project(f, evidence.x))


@given(seed=st.integers(0, 999))
def test_the_cube_holds_what_is_saved_as_x(seed: int) -> None:
    """Inside the cube (but for its faces) is what, clipped and rounded, is x, and nothing else."""
    evidence = evidence_of("levels", seed)
    assert isinstance(evidence, LevelCube)
    v = evidence.x + 0.8 * draw(seed + 1, (3, 6, 7)) + 100 * (evidence.x == 255)
    assert torch.equal(evidence.violation(v) == 0, to_levels(v, 255) == evidence.x)


def test_a_margin_keeps_clear_of_rounding() -> None:
    cube = LevelCube(torch.tensor([[[0.0, 7.0, 255.0]]]), 255, margin=0.01)
    v = torch.tensor([[[-30.0, 7.495, 300.0]]])
    assert cube.violation(v).flatten().tolist() == pytest.approx([0, 0.005, 0], abs=1e-5)
    assert torch.isfinite(cube.nearest(v)).all()


def test_noise_may_be_three_sigma() -> None:
    cube = NoiseCube(torch.tensor([[[0.0, 90.0, 255.0]]]), 5.0)
    v = torch.tensor([[[-50.0, 106.0, 300.0]]])
    assert cube.violation(v).flatten().tolist() == [0, 1, 0]  # what is clipped may have been anything beyond
    assert cube.shrunk(2.0).nearest(v).flatten().tolist() == [-50, 103, 300]
    assert cube.shrunk(99.0).nearest(v)[..., 1].item() == 90
    assert "σ = 5 levels" in cube.describe()
    assert "σ = 5 levels" in NoiseCube(cube.x / 255, 5 / 255, peak=1.0).describe()


def test_what_a_network_is_told() -> None:
    """Nothing of what is exact, σ of noise, whatever the unit."""
    x = torch.zeros(2, 3, 4, 5)
    assert torch.equal(Point(x).told(), torch.zeros(2, TOLD))
    assert torch.equal(LevelCube(x[0], 255).told(), torch.zeros(1, TOLD))
    for cube in (NoiseCube(x, 5.0), NoiseCube(x, 5 / 255, peak=1.0)):
        torch.testing.assert_close(cube.told(), torch.tensor([[0, 0, 0, 0, 0, 0.5]]).expand(2, -1))


def test_goes_to_a_device() -> None:
    moved = LevelCube(torch.zeros(3, 4, 5), 255, margin=0.25).to(torch.device("meta"))
    assert (moved.x.device.type, moved.margin) == ("meta", 0.25)


def test_a_batch_shares_the_original() -> None:
    evidence = evidence_of("point", 0)
    batch = draw(1, (2, 3, 6, 7))
    assert evidence.nearest(batch).shape == batch.shape
    assert evidence_of("levels", 0).violation(batch).shape == batch.shape


def test_differentiable() -> None:
    v = (127 + 300 * draw(1, (1, 3, 3))).requires_grad_()
    assert torch.autograd.gradcheck(evidence_of("levels", 0, (1, 3, 3)).nearest, (v,))
    assert not evidence_of("point", 0, (1, 3, 3)).nearest(v).requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_describes_itself(kind: str) -> None:
    assert "A y" in evidence_of(kind, 0).describe()

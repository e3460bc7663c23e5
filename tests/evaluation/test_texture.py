import pytest
import torch

from mapsr_cli.evaluation.texture import grid, lattice, phases, relative_energy


def noise(*size: int) -> torch.Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(0))


def test_independent_cells_share_a_sixteenth_and_a_pattern_of_period_4_everything() -> None:
    values = [grid(torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(seed))) for seed in range(8)]
    assert sum(value for value in values if value) / 8 == pytest.approx(1 / 16, rel=0.05)
    assert grid(noise(3, 4, 4).repeat(1, 40, 40)) == pytest.approx(1)


def test_a_faint_lattice_raises_it() -> None:
    texture, lattice = noise(3, 160, 160), noise(3, 4, 4).repeat(1, 40, 40)
    shares = [grid(texture + strength * lattice) or 0.0 for strength in (0.0, 0.25, 0.5)]
    assert shares[0] + 0.01 < shares[1] < shares[2]


@pytest.mark.parametrize("y", [torch.full((3, 64, 64), 0.3), torch.rand(3, 15, 64)], ids=["flat", "small"])
def test_where_there_is_nothing_to_share(y: torch.Tensor) -> None:
    assert grid(y) is None


def test_phases_are_told_by_dots_of_changing_sign() -> None:
    """Dots in the middle of 4×4 cells, half white and half black: `grid` and `lattice` do not see them."""
    texture = noise(3, 160, 160)
    dots = (noise(1, 40, 1, 40, 1) > 0.5).double() - 0.5
    dots = torch.nn.functional.pad(dots.expand(3, 40, 1, 40, 1), (1, 2, 0, 0, 1, 2)).reshape(3, 160, 160)
    found = [phases(0.5 + 0.1 * texture + strength * dots) or 0.0 for strength in (0.0, 0.1, 0.2)]
    assert found[0] < 0.06
    assert found[0] + 0.05 < found[1] < found[2]
    assert abs((grid(0.5 + 0.1 * texture + 0.2 * dots) or 0.0) - 1 / 16) < 0.01


def test_phases_are_of_the_laplacians_energy() -> None:
    """Written out, with edges repeated; rows and columns left over do not count."""
    y = noise(3, 41, 45)
    plane = (y * torch.tensor([65.481, 128.553, 24.966]).view(3, 1, 1)).sum(0)
    padded = torch.nn.functional.pad(plane[None], (1,) * 4, "replicate")[0]
    laplacian = torch.zeros(41, 45, dtype=torch.double)
    for i, j in ((0, 1), (2, 1), (1, 0), (1, 2)):
        laplacian += padded[i : i + 41, j : j + 45].double() / 255
    laplacian -= 4 * padded[1:-1, 1:-1].double() / 255
    energies = torch.stack([laplacian[i:40:4, j:44:4].square().sum() for i in range(4) for j in range(4)])
    assert phases(y) == pytest.approx(energies.log().std(correction=0).item(), rel=1e-5)
    assert phases(torch.full((3, 64, 64), 0.3)) is None
    assert phases(noise(3, 3, 64)) is None


def grain(seed: int, *size: int) -> torch.Tensor:
    """One grain for all colours, of one level's standard deviation."""
    return (torch.randn(1, *size, generator=torch.Generator().manual_seed(seed)) / 255).expand(3, *size)


def test_a_lattice_counts_whole_and_grain_an_eighth() -> None:
    levels = 219 / 255  # BT.601's luma of grey
    repeated = grain(0, 4, 4).repeat(1, 40, 40)
    fine = 255 * repeated[0].std(correction=0).item() * levels
    assert lattice(0.5 + repeated) == pytest.approx(fine, rel=0.1)  # the blur takes a little away
    values = [lattice(0.5 + grain(seed, 160, 160)) or 0.0 for seed in range(4)]
    assert sum(values) / 4 == pytest.approx(levels / 8, rel=0.1)


def test_lattices_are_looked_for_where_it_is_flat() -> None:
    y = torch.full((3, 64, 96), 0.5)
    assert lattice(y) == pytest.approx(0, abs=1e-9)
    y[:, :, 48:] += 0.2  # an edge through the middle column of blocks
    busy = y + 10 * grain(1, 64, 96)
    assert lattice(busy) is None
    busy[:, :, :32] = y[:, :, :32]
    assert lattice(busy) == pytest.approx(0, abs=0.02)
    assert lattice(torch.full((3, 31, 64), 0.5)) is None


def test_energy_is_relative_to_the_truths() -> None:
    truth = noise(3, 20, 30)
    assert relative_energy(truth, truth) == 1.0
    assert relative_energy(0.5 * truth + 0.1, truth) == pytest.approx(0.25)
    assert relative_energy(truth, torch.zeros(3, 20, 30)) is None

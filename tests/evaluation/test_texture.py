import pytest
import torch

from mapsr_cli.evaluation.texture import grid, relative_energy


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


def test_energy_is_relative_to_the_truths() -> None:
    truth = noise(3, 20, 30)
    assert relative_energy(truth, truth) == 1.0
    assert relative_energy(0.5 * truth + 0.1, truth) == pytest.approx(0.25)
    assert relative_energy(truth, torch.zeros(3, 20, 30)) is None

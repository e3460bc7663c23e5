"""Steps of a few pixels at once, where no single one helps."""

import torch

from mapsr_cli.operators import LevelCube, make_kernel
from mapsr_cli.operators.neighbour_search import search_neighbours
from mapsr_cli.operators.window_map import WindowCoordinates, window_map
from mapsr_cli.operators.window_problem import WITHIN, WindowProblem

CPU = torch.device("cpu")


def problem_of(offset: torch.Tensor) -> WindowProblem:
    """A window of 8 × 8 samples at ×2 that is off by `offset` [B, 1, 8, 8], to be within ± 0.49."""
    a = window_map(make_kernel("bicubic", 2), (8, 8), 0.01, torch.float32, CPU)
    pixels, half = torch.zeros(len(offset), 1, 16, 16), torch.full_like(offset, 0.49)
    coordinates = WindowCoordinates(a, LevelCube(torch.full((1, 8, 8), 100.0), 255))
    return WindowProblem(pixels, pixels - 9, pixels + 9, offset, offset, -half, half, -half, half, coordinates)


def test_what_no_single_step_mends_is_mended() -> None:
    offset = 0.45 * torch.sin(torch.arange(64.0)).view(1, 1, 8, 8)
    offset[0, 0, 4, 4] = 0.9
    problem = problem_of(torch.cat([offset, torch.zeros_like(offset), 3 * torch.ones_like(offset)]))
    changes = torch.zeros(3, 1, 16, 16)
    search_neighbours(problem, changes)
    wrong = (problem.excess(problem.a.coordinates(changes)) != 0).sum(WITHIN)
    assert wrong.tolist() == [0, 0, 64]
    assert torch.equal(changes, changes.round())
    assert (changes[0] != 0).sum() > 1
    assert not changes[1:].any()  # nothing to mend, and too much


def test_frozen_pixels_and_the_range_are_kept() -> None:
    offset = torch.zeros(1, 1, 8, 8)
    offset[0, 0, 4, 4] = 0.6
    problem = problem_of(offset)
    problem.floor.zero_()
    problem.ceiling[..., :8] = 0
    changes = torch.zeros(1, 1, 16, 16)
    search_neighbours(problem, changes)
    assert (changes >= problem.floor).all()
    assert (changes <= problem.ceiling).all()

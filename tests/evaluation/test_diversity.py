import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mapsr_cli.errors import UsageError
from mapsr_cli.evaluation.diversity import diversity, squared_error


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_by_hand() -> None:
    truth = torch.zeros(3, 1, 2)
    samples = torch.zeros(2, 3, 1, 2)
    samples[0, :, 0] = torch.tensor([1.0, 2.0])  # squared errors 1 and 4: mean 2.5
    samples[1, :, 0] = torch.tensor([3.0, 1.0])  # 9 and 1: mean 5
    # The best sample has 2.5; the best at each pixel 1 and 1.
    assert diversity(samples, truth) == pytest.approx(100 * (2.5 - 1) / 2.5)


def test_samples_that_are_right_in_turns_have_all_of_it() -> None:
    truth = random(3, 8, 8)
    samples = torch.stack([truth, truth]).clone()
    samples[0, ..., :4] += 1
    samples[1, ..., 4:] += 1
    assert diversity(samples, truth) == pytest.approx(100)


def test_a_sample_that_is_the_truth_leaves_nothing_to_choose() -> None:
    truth = random(3, 8, 8)
    assert diversity(torch.stack([truth, truth + 1]), truth) == 0


@given(st.integers(0, 100))
def test_the_same_sample_again_and_again_has_none(seed: int) -> None:
    truth, sample = random(3, 4, 4, seed=seed), random(3, 4, 4, seed=seed + 1)
    assert diversity(sample.expand(5, -1, -1, -1), truth) == pytest.approx(0, abs=1e-10)


@given(st.integers(0, 100), st.integers(2, 6))
def test_it_is_a_percentage_whatever_the_order(seed: int, count: int) -> None:
    truth, samples = random(3, 4, 4, seed=seed), random(count, 3, 4, 4, seed=seed + 1)
    score = diversity(samples, truth)
    assert 0 <= score <= 100
    assert diversity(samples.flip(0), truth) == pytest.approx(score, abs=1e-10)


def test_another_distance() -> None:
    truth, samples = random(3, 4, 4), random(3, 3, 4, 4, seed=1)
    distances = squared_error(samples, truth)
    scaled = diversity(samples, truth, lambda s, t: 7 * squared_error(s, t))
    assert distances.shape == (3, 4, 4)
    assert scaled == pytest.approx(diversity(samples, truth))


def test_samples_of_another_image() -> None:
    with pytest.raises(UsageError, match="do not belong"):
        diversity(random(2, 3, 4, 4), random(3, 4, 5))

"""z is a function of seed, sample and place, and standard normal."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mapsr_cli.inference.noise import BLOCK, Noise

NOISE = Noise(3, seed=7, sample=2)
WHOLE = NOISE.draw(slice(0, 3 * BLOCK - 5), slice(0, 2 * BLOCK + 9))


@given(top=st.integers(0, 3 * BLOCK - 6), left=st.integers(0, 2 * BLOCK + 8), data=st.data())
def test_a_part_is_the_whole_s_part(top: int, left: int, data: st.DataObject) -> None:
    rows = slice(top, data.draw(st.integers(top + 1, WHOLE.shape[1])))
    cols = slice(left, data.draw(st.integers(left + 1, WHOLE.shape[2])))
    assert torch.equal(NOISE.draw(rows, cols), WHOLE[:, rows, cols])


def test_it_is_standard_normal_and_no_two_of_it_are_alike() -> None:
    z = WHOLE.double()
    assert z.mean().abs() < 0.02
    assert (z.std() - 1).abs() < 0.02
    assert ((z.abs() < 1).double().mean() - 0.6827).abs() < 0.01
    starts = [(top, left) for top in (0, BLOCK) for left in (0, BLOCK)]
    blocks = [WHOLE[:, top : top + BLOCK, left : left + BLOCK] for top, left in starts]
    maps = torch.cat(blocks).flatten(1)
    assert (torch.corrcoef(maps) - torch.eye(len(maps))).abs().max() < 0.06


@pytest.mark.parametrize("other", [Noise(3, 8, 2), Noise(3, 7, 3), Noise(3, 2, 7)])
def test_seeds_and_samples_differ(other: Noise) -> None:
    part = slice(0, BLOCK), slice(0, BLOCK)
    mine, theirs = (noise.draw(*part).flatten() for noise in (NOISE, other))
    assert torch.corrcoef(torch.stack([mine, theirs]))[0, 1].abs() < 0.03


def test_it_stays_what_it_is() -> None:
    """Files say which seed and sample they are: another version of mapsr must draw the same."""
    first = Noise(1, 0, 1).draw(slice(0, 1), slice(0, 3)).flatten()
    assert torch.allclose(first, torch.tensor([2.6821, -0.4830, -1.0066]), atol=1e-4)

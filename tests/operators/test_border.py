import numpy as np
import pytest
import torch

from mapsr_cli.operators.border import make_border, reflected


def test_it_is_half_sample_symmetric_and_periodic() -> None:
    expected = [0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2]
    assert reflected(np.arange(-7, 9), 3).tolist() == expected
    assert reflected(torch.arange(-7, 9), 3).tolist() == expected


@pytest.mark.parametrize(("n", "before", "after"), [(5, 2, 3), (5, 0, 1), (2, 7, 5), (1, 4, 0)])
def test_folding_is_the_adjoint_of_extending(n: int, before: int, after: int) -> None:
    border = make_border(n, before, after, torch.device("cpu"))
    x, extended = torch.randn(3, n, 4), torch.randn(3, before + n + after, 4)
    grown = border.extend(x, 1)
    assert torch.equal(grown[:, before : before + n], x)
    assert torch.equal(grown[0, :, 0], x[0, reflected(np.arange(-before, n + after), n), 0])
    folded = border.fold(extended, 1)
    assert float((grown * extended).sum()) == pytest.approx(float((x * folded).sum()), abs=1e-4)

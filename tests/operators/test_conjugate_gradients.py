import torch
from torch import Tensor

from mapsr_cli.operators.conjugate_gradients import CHECK_EVERY, conjugate_gradients


def system(n: int = 12) -> Tensor:
    torch.manual_seed(0)
    a = torch.randn(n, n, dtype=torch.float64)
    return a @ a.T + 0.1 * torch.eye(n, dtype=torch.float64)


def solve(gram: Tensor, b: Tensor, limit: int = 1000, precondition: Tensor | None = None) -> tuple[Tensor, int]:
    """z, and how often G was applied; images [..., 3, 4] are vectors of 12."""
    applied = 0

    def by(matrix: Tensor, x: Tensor) -> Tensor:
        return (x.flatten(-2) @ matrix.T).reshape(x.shape)

    def count(x: Tensor) -> Tensor:
        nonlocal applied
        applied += 1
        return by(gram, x)

    identity = torch.eye(12, dtype=torch.float64)
    how = identity if precondition is None else precondition
    return conjugate_gradients(count, lambda x: by(how, x), b, 1e-12, limit), applied


def test_solves_every_image() -> None:
    gram = system()
    b = torch.randn(5, 3, 4, dtype=torch.float64)
    b[2] = 0.0  # already solved: must not divide by zero
    b[3] *= 1e-9
    z, _ = solve(gram, b)
    expected = torch.linalg.solve(gram, b.flatten(1).T).T.view_as(b)
    assert torch.allclose(z, expected, rtol=1e-8, atol=1e-18)
    assert torch.equal(z[2], torch.zeros(3, 4, dtype=torch.float64))


def test_a_perfect_preconditioner_needs_one_look() -> None:
    gram = system()
    _, applied = solve(gram, torch.randn(3, 4, dtype=torch.float64), precondition=torch.linalg.inv(gram))
    assert applied == CHECK_EVERY


def test_stops_at_its_limit() -> None:
    _, applied = solve(system(), torch.randn(3, 4, dtype=torch.float64), limit=2)
    assert applied == 2

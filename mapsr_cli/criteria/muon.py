"""Muon: steps of equal size in every direction, for weights between the first and the last (Jordan et al., 2024)."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from mapsr_cli.errors import UsageError

MOMENTUM = 0.95
"""Decay of the gradient's mean."""
NEWTON_SCHULZ = ((3.4445, -4.7750, 2.0315),) * 5
"""Coefficients of X ← aX + (bXXᵀ + c(XXᵀ)²)X: five steps bring singular values between 0.01 and 1 near to 1."""
LEAST_NORM = 1e-12
"""Momenta are divided by no smaller norm, so that steps shrink below some 1e-15: what is left of the gradient of a
block whose ReLUs are all zero has no direction, and its squares would soon underflow."""
ADAMS_SIZE = 0.2
"""Root mean square of a step at rate 1, about that of Adam's: so rates are alike for both (Liu et al., 2025)."""


class Muon(torch.optim.Adam):
    """Orthogonalised momentum for the hidden weights of `network`, Adam for its first, its last and all else.

    A convolution's weight [out, in, k, k] counts as a matrix [out, in · k²]; torch's own Muon, which would otherwise be
    used here, takes matrices alone.
    Raises UsageError where nothing lies between: that network is Adam's.
    """

    def __init__(self, network: nn.Module, rate: float, adam_rate: float, betas: tuple[float, float]) -> None:
        matrices = [p for p in network.parameters() if p.dim() in (2, 4)][1:-1]
        if not matrices:
            raise UsageError("no convolution and no linear layer between the first and the last", "muon_rate must be 0")
        hidden = {id(p) for p in matrices}
        others = [p for p in network.parameters() if id(p) not in hidden]
        groups = [{"params": others, "hidden": False}, {"params": matrices, "hidden": True, "lr": rate}]
        super().__init__(groups, adam_rate, betas)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move hidden weights, and leave them no gradient; Adam moves what has one."""
        for group in self.param_groups:
            if group["hidden"]:
                for alike in _by_shape(group["params"]):
                    self._move(alike, group["lr"])
        return super().step(closure)

    def _move(self, weights: list[Tensor], rate: float) -> None:
        """Take one step of weights of one shape together: a batched product costs little more than one."""
        steps = orthogonal(torch.stack([self._ahead(weight).flatten(1) for weight in weights]))
        size = ADAMS_SIZE * max(steps.shape[1:]) ** 0.5
        for weight, step in zip(weights, steps.unbind(), strict=True):
            weight.sub_(step.view(weight.shape), alpha=rate * size)
            weight.grad = None

    def _ahead(self, weight: Tensor) -> Tensor:
        """Compute Nesterov's momentum, of the weight's shape."""
        assert weight.grad is not None
        state = self.state[weight]
        if not state:  # by Adam's names: it looks for "step" when a state is loaded
            state.update(step=torch.zeros(()), exp_avg=torch.zeros_like(weight))
        mean: Tensor = state["exp_avg"].lerp_(weight.grad, 1 - MOMENTUM)
        return weight.grad.lerp(mean, MOMENTUM)


def _by_shape(weights: list[Tensor]) -> Iterator[list[Tensor]]:
    """Group the weights that have a gradient by shape."""
    groups: dict[torch.Size, list[Tensor]] = {}
    for weight in weights:
        if weight.grad is not None:
            groups.setdefault(weight.shape, []).append(weight)
    yield from groups.values()


def orthogonal(matrices: Tensor) -> Tensor:
    """Bring the singular values of [N, m, n] near to 1 (0.7 … 1.2), with their vectors kept, by Newton–Schulz steps.

    In the dtype of the input, with products in autocast's where it is on: 8 bits of precision suffice for a step's
    direction. Values below a hundredth of a matrix's norm stay smaller.
    """
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonal(matrices.mT).mT
    x: Tensor = matrices / torch.linalg.matrix_norm(matrices, keepdim=True).clamp_min(LEAST_NORM)
    for a, b, c in NEWTON_SCHULZ:
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x

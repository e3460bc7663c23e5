"""A Stage with nothing behind it, and judges of the smallest size."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from mapsr_cli.criteria.base import Criterion, CriterionConfig, Judge, Patches, Player, Scalars
from mapsr_cli.criteria.snapshots import Snapshot, Snapshots
from mapsr_cli.criteria.terms import with_terms
from mapsr_cli.networks import Denoiser, DenoiserConfig, Density, DensityConfig, Discriminator, DiscriminatorConfig


class Rehearsal:
    """Draws from a function, and takes plain optimiser steps."""

    def __init__(self, source: Callable[[], Tensor | Patches], progress: float = 0.0) -> None:
        self.source, self.progress = source, progress

    def draw(self) -> Patches:
        drawn = self.source()
        return drawn if isinstance(drawn, Patches) else Patches(drawn)

    def update(self, player: Player, loss: Callable[[], tuple[Tensor, Scalars]]) -> Scalars:
        player.optimiser.zero_grad()
        value, report = loss()
        value.backward()  # type: ignore[no-untyped-call]
        player.optimiser.step()
        player.optimiser.zero_grad()
        return report


class Denoises(nn.Module):
    """The optimal denoiser of N(0, spread² I) at its noise level: y · spread²/(spread² + σ²)."""

    def __init__(self, spread: float, sigma: float | None = None) -> None:
        super().__init__()
        self.spread, self.sigma = spread, sigma
        self.config = DenoiserConfig(conditional=sigma is None)

    def forward(self, y: Tensor, sigma: float) -> Tensor:
        level = sigma if self.sigma is None else self.sigma
        return y * self.spread**2 / (self.spread**2 + level**2)


def tiny_discriminator(*, batch_norm: bool = True) -> Discriminator:
    return Discriminator(DiscriminatorConfig(widths=(4, 8), strides=(2, 2), batch_norm=batch_norm, slope=0.2))


def tiny_denoiser(*, conditional: bool = False) -> Denoiser:
    denoiser = Denoiser(DenoiserConfig(widths=(8, 8), conditional=conditional))
    nn.init.normal_(denoiser.tail.weight, std=0.1)  # as if it had learnt something
    return denoiser


def tiny_density() -> Density:
    return Density(DensityConfig(kernels=((3, 3), (3, 3)), channels=8, components=2, scales=2, features=4))


def tiny_judge(kind: Judge) -> nn.Module | None:
    """What a criterion that `needs` it is built with, for colour images of any size."""
    match kind:
        case "discriminator":
            return tiny_discriminator()
        case "denoiser":
            return Snapshots(Snapshot(level, tiny_denoiser()) for level in (0.5, 0.1))
        case "density":
            return Snapshots(Snapshot(0.0, tiny_density()) for _ in range(2))
        case "nothing":
            return None


def build(criterion: type[Criterion], judge: nn.Module | None = None, **fields: object) -> Criterion:
    """A criterion with some of its config's fields set, and the terms that they give a weight."""
    config: CriterionConfig = criterion.Config(**fields)  # type: ignore[arg-type]
    return with_terms(criterion(config, judge))


def images(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def weights(modules: Sequence[nn.Module]) -> list[Tensor]:
    return [tensor.clone() for module in modules for tensor in module.state_dict().values()]


def same(a: Sequence[Tensor], b: Sequence[Tensor]) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a, b, strict=True))

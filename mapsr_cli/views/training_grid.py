"""A picture of the progress of a run: LR, estimate and HR side by side."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.imaging import write_picture

GAP = 2
"""White pixels between tiles."""


def sample_grid(estimator: nn.Module, pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Draw a row per pair (LR [C, h, w], HR [C, H, W], of one size, in [0, 1]): LR enlarged, estimate, HR.

    Returns whole levels [C, rows, columns], 0 … 255.
    """
    device = next(estimator.parameters()).device
    rows = []
    for lr, hr in pairs:
        with torch.inference_mode():
            estimate = estimator(lr[None].to(device))[0].cpu()
        enlarged = functional.interpolate(lr[None], size=tuple(hr.shape[-2:]), mode="nearest")[0]
        rows.append(_joined([enlarged, estimate, hr], dim=2))
    return (_joined(rows, dim=1).clamp(0, 1) * 255).round()


def _joined(tiles: Sequence[Tensor], dim: int) -> Tensor:
    shape = list(tiles[0].shape)
    shape[dim] = GAP
    gap = torch.ones(shape)
    spaced = [part for tile in tiles for part in (gap, tile)][1:]
    return torch.cat(spaced, dim=dim)


def write_samples(estimator: nn.Module, pairs: Sequence[tuple[Tensor, Tensor]], path: Path) -> None:
    """Write the grid as a PNG; its folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, sample_grid(estimator, pairs))

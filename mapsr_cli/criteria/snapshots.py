"""Snapshots of a prior's training, which guided generators follow from poor to good."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from mapsr_cli.errors import UsageError
from mapsr_cli.zoo import load_snapshots


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A prior as it was at one step of its training."""

    level: float
    """A denoiser's noise σ, in image units; 0 for a density model."""
    network: nn.Module
    """The prior."""


class Snapshots(nn.Module):
    """Snapshots from poor to good: by falling noise level, and where levels are equal in the order given.

    None is trained: evaluation mode, no gradients of their own. Raises UsageError if there are none.
    """

    def __init__(self, snapshots: Iterable[Snapshot]) -> None:
        super().__init__()
        ordered = sorted(snapshots, key=lambda snapshot: -snapshot.level)
        if not ordered:
            raise UsageError("a guided criterion needs at least one snapshot of its prior")
        self.levels = tuple(snapshot.level for snapshot in ordered)
        self.networks = nn.ModuleList(snapshot.network for snapshot in ordered)
        self.eval().requires_grad_(False)

    def at(self, progress: float) -> Snapshot:
        """Return the snapshot to follow at progress 0 … 1, each for an equal share of the run, the best last."""
        index = min(int(progress * len(self.levels)), len(self.levels) - 1)
        return Snapshot(self.levels[index], self.networks[index])

    @property
    def switches(self) -> list[float]:
        """Progress at which each of them but the first takes over."""
        return [number / len(self.levels) for number in range(1, len(self.levels))]

    @property
    def best(self) -> Snapshot:
        """The last."""
        return self.at(1.0)


def read_snapshots(folder: Path) -> Snapshots:
    """Read the snapshots of a prior's run in `folder`. Raises CheckpointError if it has none, or damaged ones."""
    return Snapshots(Snapshot(prior.card.level, prior.network) for prior in load_snapshots(folder))

"""The paper's two-dimensional toy distribution (Section 5.1, Appendix D)."""

from collections.abc import Generator

import numpy as np
import torch
from numpy.typing import NDArray

from mapsr_cli.criteria.base import Patches
from mapsr_cli.training.data.config import DataConfig, Draw, RankShare
from mapsr_cli.training.data.counts import Ledger
from mapsr_cli.training.data.stream import BatchJob, numbered

ANGLE, SPREAD = 10.0, 3.0
"""Mean and standard deviation of the angle ν₁, radians."""
GROWTH = 0.4
"""Distance from the origin that the roll gains per radian."""
NOISE = 0.2
"""Standard deviation of the distance from the roll."""


def swiss_roll(rng: np.random.Generator, samples: int, noise: float = NOISE) -> NDArray[np.float32]:
    """Draw points y [samples, 2], eqns (33)–(35).

    ν₁ ~ N(10, 3), ν₂ ~ N(0, noise), r = 0.4 ν₁ + ν₂, y = r [cos ν₁, sin ν₁].
    Second arguments are standard deviations; `noise` 0 gives the roll itself.
    """
    angle = rng.normal(ANGLE, SPREAD, samples)
    radius = GROWTH * angle + rng.normal(0, noise, samples)
    return np.stack([np.cos(angle) * radius, np.sin(angle) * radius], axis=1).astype(np.float32)


class SwissRoll:
    """Points as images of one row and two pixels. A source (see `stream.PatchSource`) that needs a batch and a seed."""

    def __init__(self, config: DataConfig, share: RankShare, noise: float = NOISE) -> None:
        self.ledger = Ledger()
        self._config, self._share, self._noise = config, share, noise

    def jobs(self, start: int) -> Generator[BatchJob]:
        """Yield what makes batch `start`, `start` + 1, …: float32 [N, 1, 1, 2]."""
        return numbered(self._batch, start)

    def _batch(self, batch: int) -> Patches:
        points = swiss_roll(self._config.rng(Draw.POINTS, batch), self._share.batch, self._noise)
        first = self._share.rank * self._share.rows
        return Patches(torch.from_numpy(points[first : first + self._share.rows, None, None, :]))

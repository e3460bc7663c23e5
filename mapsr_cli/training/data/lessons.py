"""Patches with a teacher's estimates of them, as files: what a distilled run learns from."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mapsr_cli.criteria.base import Patches
from mapsr_cli.errors import CheckpointError
from mapsr_cli.files import write_bytes
from mapsr_cli.operators import Kernel
from mapsr_cli.training.data.config import DataConfig, Draw, RankShare
from mapsr_cli.training.data.counts import Ledger
from mapsr_cli.training.data.degradation import DegradedSource
from mapsr_cli.training.data.orientation import Orientation, orientations, seen
from mapsr_cli.training.data.stream import BatchJob, Data, PatchSource, numbered


def write_lesson(path: Path, y: Tensor, estimate: Tensor) -> None:
    """Write HR patches y, uint8 [N, C, H, W], and estimates of them in [0, 1], in float16. Raises FileError."""
    write_bytes(path, save({"y": y.contiguous(), "estimate": estimate.half().contiguous()}))


class Lessons:
    """Random patches out of a folder of lessons, in any of some orientations. A source (see `stream.PatchSource`).

    Batches are float32 in [0, 1], with the blend (1 − teacher) · y + teacher · estimate.
    """

    def __init__(
        self, folder: Path, teacher: float, config: DataConfig, share: RankShare, views: Sequence[Orientation]
    ) -> None:
        """Open a folder of lessons; `teacher`: the estimates' share of the blend, above 0 and at most 1."""
        self._teacher, self._config, self._share = teacher, config, share
        square = config.patch[0] == config.patch[1]
        self._views = [view for view in views if square or view[0] % 2 == 0]
        self._paths = sorted(folder.glob("*.safetensors"))
        with _opened(self._paths[0]) as first:
            self._rows: int = first.get_slice("y").get_shape()[0]
        self.ledger = Ledger()
        self.ledger.saw(str(folder), len(self._paths) * self._rows)

    def jobs(self, start: int) -> Generator[BatchJob]:
        """Yield what makes batch `start`, `start` + 1, …: each a function of the batch's number alone."""
        return numbered(self._batch, start)

    def _batch(self, batch: int) -> Patches:
        ys, estimates = zip(*(self._sample(number) for number in self._share.samples(batch)), strict=True)
        y = torch.stack(ys)
        return Patches(y, y.lerp(torch.stack(estimates), self._teacher))

    def _sample(self, number: int) -> tuple[Tensor, Tensor]:
        """Return (y, estimate), each float32 [C, H, W]."""
        rng = self._config.rng(Draw.LESSON, number)
        path, row = self._paths[int(rng.integers(len(self._paths)))], int(rng.integers(self._rows))
        with _opened(path) as lesson:
            pixels = [lesson.get_slice(name)[row] for name in ("y", "estimate")]
        view = self._views[int(rng.integers(len(self._views)))]
        y, estimate = (torch.from_numpy(seen(p, view).astype(np.float32)) for p in pixels)
        return y / 255, estimate


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a lesson's file. Raises CheckpointError where it is damaged."""
    try:
        with safe_open(path, "numpy") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged ({error})", "delete it: the next run makes it again") from error


def open_lessons(
    folder: Path,
    teacher: float,
    config: DataConfig,
    kernel: Kernel,
    rank: int = 0,
    world: int = 1,
    evidence: bool = False,
) -> Data:
    """Open batches for process `rank` of `world` from a folder of lessons, in the orientations that keep A.

    `teacher`: the estimates' share of what is learnt, above 0 and at most 1; `kernel`: A's. The LR images are degraded
    where `config` asks for it, with what their files say of A y as `evidence`; the teacher's estimates are of A y.
    """
    share = RankShare(config.batch, rank, world)
    source: PatchSource = Lessons(folder, teacher, config, share, orientations(config, kernel))
    if config.degrades:
        source = DegradedSource(source, config, share, kernel, evidence)
    return Data(source, config.workers)

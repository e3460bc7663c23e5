"""Settings of training data, and the part of each batch that a process serves."""

import math
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from mapsr_cli.errors import UsageError


class Draw(IntEnum):
    """Purposes of random generators: each has its own, so that none changes another's numbers."""

    PATCH = 0
    SHARDS = 1
    BLOCK = 2
    POINTS = 3
    LESSON = 4
    DEGRADATION = 5


@dataclass(frozen=True)
class DataConfig:
    """Where patches come from."""

    patch: tuple[int, int] = (192, 192)
    """HR pixels (H, W)."""
    batch: int = 16
    """HR patches per step, over all processes (the global batch)."""
    colours: int = 3
    """3: RGB; 1: grey (BT.601 luma)."""
    workers: int = 4
    """Threads that decode ahead of the training, in each process; 0: the training thread decodes."""
    cache_mb: int = 2048
    """Decoded images kept in memory by each process, in MiB: the first to be used, until it is full."""
    augment: bool = True
    """Flips and quarter turns (flips and half turns where a patch is not square)."""
    upright: bool = False
    """Of these only the left-right flip: for images with a fixed upright orientation, such as faces."""
    shrink: float = 1.0
    """Each crop is downscaled by a log-uniform factor from 1 to this (at least 1), or to the ratio of image to patch
    where that is less. Downscaled photographs have sharper edges and fewer JPEG artefacts."""
    tint: float = 0.0
    """Each colour of a patch is mapped linearly to a random range, which leaves up to this share of 0 … 255 (below ½)
    free at each end: more levels and hues than few images have. Nothing is clipped."""
    desaturate: float = 0.0
    """Each patch is mixed with its BT.601 luma, which has a uniform random share from 0 to this (at most 1). Comes
    before gamma and tint."""
    gamma: float = 1.0
    """Each patch's values v in [0, 1] become v^γ, γ log-uniform from 1/gamma to gamma (at least 1; 1: none). Comes
    before tint."""
    contrast: float = 1.0
    """Each patch's differences from its mean, colour by colour, are multiplied by a log-uniform factor from 1 to this
    (at least 1; 1: none), and clipped. Comes after gamma."""
    grain: float = 0.0
    """Each patch gets noise, the same in all colours and softened at random, whose standard deviation is uniform from
    0 to this, in levels of 255. Comes last. Photographs that were compressed or reduced have lost the grain that others
    have, and a network learns from them that surfaces are smooth."""
    pairs: str | None = None
    """Folder of LR images, one for each image of a folder of HR images, under its name; none: LR images are A y."""
    jpeg: tuple[int, int] | None = None
    """LR images are saved as JPEG, of a random quality in this range (within 1 … 100) and chroma grid."""
    twice: float = 0.0
    """Share of these that were JPEG before: on another grid of blocks, or at up to 1.25 times the size."""
    noise: tuple[float, float] | None = None
    """LR images get white Gaussian noise of a random σ in this range, in levels of 255. Comes before JPEG."""
    noisy: float | None = None
    """Share of the degraded samples that have this noise and are not JPEG; the others have none. None: all have it."""
    blur: tuple[float, float] | None = None
    """LR images are blurred by a Gaussian of a random σ in this range, in LR pixels. Comes before noise."""
    clean: float = 0.0
    """Share of samples whose LR image is left as A y, in whole levels, where others are degraded."""
    shuffle: int = 512
    """Samples of tar shards that are read, shuffled and served together, at least 16. Up to three times as many are in
    memory, as they are encoded."""
    seed: int = 0
    """Decides every batch."""

    def __post_init__(self) -> None:
        """Refuse values outside their ranges."""
        if min(self.patch) < 1 or self.batch < 1:
            raise UsageError(f"no patches: {self.batch} of {self.patch[0]}×{self.patch[1]} pixels")
        if self.colours not in (1, 3):
            raise UsageError(f"{self.colours} colours", "3 for RGB, 1 for grey")
        if min(self.workers, self.cache_mb, self.seed) < 0:
            raise UsageError("workers, cache_mb and seed cannot be negative")
        if not 1 <= self.shrink < math.inf:
            raise UsageError(f"shrink = {self.shrink}", "at least 1, which leaves sizes as they are")
        if not 0 <= self.tint < 0.5:
            raise UsageError(f"tint = {self.tint}", "at least 0 and less than 0.5, so that some contrast is left")
        if not 0 <= self.desaturate <= 1:
            raise UsageError(f"desaturate = {self.desaturate}", "from 0, as it is, to 1, up to grey")
        if not 1 <= self.gamma < math.inf:
            raise UsageError(f"gamma = {self.gamma}", "at least 1, which leaves levels as they are")
        if not 1 <= self.contrast < math.inf:
            raise UsageError(f"contrast = {self.contrast}", "at least 1, which leaves levels as they are")
        if not 0 <= self.grain < math.inf:
            raise UsageError(f"grain = {self.grain}", "levels of 255; 0 adds none")
        if self.jpeg is not None and not 1 <= self.jpeg[0] <= self.jpeg[1] <= 100:
            raise UsageError(f"jpeg = {self.jpeg[0]}..{self.jpeg[1]}", "qualities from 1 to 100, such as 20..100")
        for name, range_ in (("noise", self.noise), ("blur", self.blur)):
            if range_ is not None and not 0 <= range_[0] <= range_[1] < math.inf:
                raise UsageError(f"{name} = {range_[0]}..{range_[1]}", "least and largest σ, such as 0..5")
        for name, share in (("clean", self.clean), ("twice", self.twice), ("noisy", self.noisy or 0.0)):
            if not 0 <= share <= 1:
                raise UsageError(f"{name} = {share}", "a share, from 0 to 1")
        if self.shuffle < 16:
            raise UsageError(f"shuffle = {self.shuffle}", "16 samples or more, or a few damaged ones could end the run")

    def decisive(self) -> dict[str, Any]:
        """Return the settings that decide HR patches, as plain values: without speed, memory and degradations."""
        others = ("workers", "cache_mb", "jpeg", "twice", "noise", "noisy", "blur", "clean")
        return {name: value for name, value in asdict(self).items() if name not in others}

    @property
    def changes(self) -> tuple[str, ...]:
        """Names of the settings that make another image of an HR image: what else is known of that is then wrong."""
        unchanged = {"shrink": 1.0, "tint": 0.0, "desaturate": 0.0, "gamma": 1.0, "contrast": 1.0, "grain": 0.0}
        return tuple(name for name, value in unchanged.items() if getattr(self, name) != value)

    @property
    def degrades(self) -> bool:
        """Whether LR images are other than A y."""
        return (self.jpeg, self.noise, self.blur) != (None, None, None)

    def rng(self, draw: Draw, *place: int) -> np.random.Generator:
        """Make the random generator for one purpose at one place (a sample, a pass), independent of all others."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(draw, *place)))


@dataclass(frozen=True)
class RankShare:
    """Which rows of each global batch a process serves.

    Rank r of W holds rows r·batch/W … (r + 1)·batch/W − 1: all ranks' tensors, gathered in order, are the global batch.
    """

    batch: int
    """Rows of the global batch."""
    rank: int = 0
    """This process, 0 … world − 1."""
    world: int = 1
    """Processes."""

    def __post_init__(self) -> None:
        """Refuse a batch that the processes cannot share equally."""
        if not 0 <= self.rank < self.world:
            raise UsageError(f"rank {self.rank} of {self.world} processes")
        if self.batch % self.world:
            raise UsageError(
                f"a batch of {self.batch} cannot be shared by {self.world} processes", "use a multiple of their number"
            )

    @property
    def rows(self) -> int:
        """Rows per batch that this process serves."""
        return self.batch // self.world

    def samples(self, batch: int) -> range:
        """Return the numbers of the samples of global batch `batch` that this process serves, counted over the run."""
        first = batch * self.batch + self.rank * self.rows
        return range(first, first + self.rows)

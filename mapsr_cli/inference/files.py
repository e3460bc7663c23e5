"""One file upscaled, in three steps that different threads may take: decode, upscale, encode."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mapsr_cli import __version__
from mapsr_cli.imaging import (
    FORMATS,
    MAX_PIXELS,
    Frames,
    Holds,
    Provenance,
    encode_frames,
    is_lossless,
    read_frames,
)
from mapsr_cli.inference.comparison import Tally, compare
from mapsr_cli.inference.pictures import Account, upscale_picture
from mapsr_cli.inference.upscaler import Progress, Upscaler
from mapsr_cli.operators import Consistency


@dataclass(frozen=True)
class Output:
    """What kind of file to make, and of what."""

    file_format: str
    """A key of FORMATS."""
    quality: int | None = None
    """Of JPEG, AVIF and lossy WebP."""
    max_pixels: int = MAX_PIXELS
    """Larger inputs are refused."""
    animate: bool = False
    """Whether animations and stacks are taken, frame by frame."""

    @property
    def lossless(self) -> bool:
        """Whether the file keeps every level."""
        return is_lossless(self.file_format, self.quality)


@dataclass(frozen=True, eq=False)
class Encoded:
    """An upscaled file's bytes, and what is to be said about them."""

    data: bytes
    size: tuple[int, int]
    """(width, height)."""
    frames: int
    """1 unless an animation."""
    account: Account
    """How it came to be."""
    consistency: Consistency
    """Of what the file stores."""
    notes: tuple[str, ...]
    """What had to be changed to fit the format, or memory."""
    seconds: dict[str, float]
    """decode, network, project, encode, total."""

    def summary(self) -> dict[str, Any]:
        """`size`, `seconds` and `consistency` as `--json` prints them; `frames` if there are several."""
        return {
            "size": list(self.size),
            **({"frames": self.frames} if self.frames > 1 else {}),
            "seconds": {k: round(v, 4) for k, v in self.seconds.items()},
            "consistency": {
                "mse_float": self.account.mse_float,
                "max_abs_float": self.account.max_abs_float,
                "lr_psnr_file": self.consistency.lr_psnr,
                "bit_exact": self.consistency.bit_exact,
                "worst_levels": self.consistency.worst_levels,
                "passes": self.account.passes,
            },
        }


@dataclass(frozen=True, eq=False)
class Loaded:
    """A decoded file."""

    frames: Frames
    seconds: float


@dataclass(frozen=True, eq=False)
class Made:
    """An upscaled file, not yet encoded."""

    loaded: Loaded
    frames: Frames
    account: Account
    sample: int
    """Number of the draw, where the model is stochastic."""


def upscale_file(source: Path | bytes, upscaler: Upscaler, output: Output, progress: Progress) -> Encoded:
    """Upscale a file (or its bytes) and encode the result, with profile, EXIF and provenance."""
    return encode_made(make(load_file(source, output), upscaler, progress), upscaler, output)


def load_file(source: Path | bytes, output: Output) -> Loaded:
    """Decode a file into what the output holds. Raises ImageError."""
    began = time.perf_counter()
    holds = FORMATS[output.file_format].holds
    frames = read_frames(source, holds, output.max_pixels, at_most=None if output.animate else 1)
    return Loaded(frames, time.perf_counter() - began)


def make(loaded: Loaded, upscaler: Upscaler, progress: Progress, sample: int = 1) -> Made:
    """Upscale every frame, all as the same sample."""
    made = [upscale_picture(picture, upscaler, progress, sample) for picture in loaded.frames.pictures]
    upscaled = replace(loaded.frames, pictures=tuple(picture for picture, _ in made))
    return Made(loaded, upscaled, sum((account for _, account in made), Account()), sample)


def encode_made(made: Made, upscaler: Upscaler, output: Output) -> Encoded:
    """Encode, with profile, EXIF and provenance. Raises ImageError."""
    began = time.perf_counter()
    originals, count = made.loaded.frames, len(made.frames.pictures)
    first, provenance = originals.pictures[0], _provenance(made, upscaler)
    data = encode_frames(made.frames, output.file_format, output.quality, provenance)
    encoded = time.perf_counter() - began
    # A WebP animation, though lossless to the eye, drops the colour under transparent pixels.
    as_made = output.lossless and count == 1
    held = made.account.held if as_made else _held_by(data, originals, upscaler)
    seconds = {"decode": made.loaded.seconds, **made.account.seconds, "encode": encoded}
    total = sum(seconds.values())
    size = made.frames.pictures[0].size
    return Encoded(
        data, size, count, made.account, held.consistency, first.notes + made.account.notes, {**seconds, "total": total}
    )


def _provenance(made: Made, upscaler: Upscaler) -> Provenance:
    kernel, model = upscaler.kernel, upscaler.model
    drawn = (upscaler.settings.seed, made.sample) if model.noise_dim else (None, None)
    digest = made.loaded.frames.pictures[0].sha256
    return Provenance(model.identity, kernel.name, kernel.scale, kernel.sigma, digest, __version__, *drawn)


def _held_by(data: bytes, originals: Frames, upscaler: Upscaler) -> Tally:
    """What the file gives back once it is decoded again."""
    first = originals.pictures[0]
    pixels = len(originals.pictures) * upscaler.kernel.hr_pixels(first.levels[0].numel())
    saved = read_frames(data, Holds(inks=True), pixels)
    pairs = zip(saved.distinct, originals.distinct, strict=False)  # a lossy animation may merge more than ours
    return sum((compare(hr, lr, upscaler.kernel)[0] for hr, lr in pairs), Tally())

"""Where an upscaled file comes from: what it carries so that anyone can check it against its original."""

import json
import re
from dataclasses import dataclass, fields
from math import isfinite
from pathlib import Path, PureWindowsPath
from typing import Self

from mapsr_cli.errors import KernelError, UsageError
from mapsr_cli.imaging.psf import PREFIX as PSF_PREFIX
from mapsr_cli.imaging.psf import find_kernel
from mapsr_cli.operators import SCALES, AnyKernel, ResizingKernel, make_profile

PREFIX = "mapsr-"
LARGEST_KERNEL = 1 << 20
"""Bytes of a measured kernel that is read because metadata name it."""
_OPTIONAL = ("sigma", "seed", "sample", "original_size", "size", "noise", "evidence", "texture")
Size = tuple[int, int]
"""(width, height)."""


@dataclass(frozen=True)
class Provenance:
    """Stored as text chunks in a PNG, and as one JSON text in the EXIF data (ImageHistory) of all others but BMP."""

    model: str
    """Name of the model, with its version or hash."""
    kernel: str
    """Name of the kernel that takes the picture back to its original."""
    scale: float
    """HR pixels per LR pixel along a side."""
    sigma: float | None
    """Standard deviation of a Gaussian kernel in HR pixels."""
    input_sha256: str
    """SHA-256 of the original file's bytes."""
    version: str
    """mapsr's version."""
    seed: int | None = None
    """Of a stochastic model's noise; None for a deterministic model."""
    sample: int | None = None
    """Number of the sample that was drawn with it."""
    original_size: Size | None = None
    """Of the original, in pixels as it is seen."""
    size: Size | None = None
    """Of the upscaled picture."""
    noise: float | None = None
    """σ of noise that the original was taken to have, in levels of 255; None: none."""
    evidence: str | None = None
    """`jpeg` where the picture agrees with the coefficients of a JPEG; None where it gives levels back."""
    texture: float | None = None
    """Share of the second of two models, 0 … 1; None: there is one."""

    def make_kernel(self, folder: Path) -> AnyKernel:
        """Make the kernel that it names; a measured one is read from `folder`, whatever path is stored.

        Raises KernelError unless a small regular file of that name is there, UsageError for what is no kernel.
        """
        small, large = self.original_size, self.size
        if small is not None and large is not None and not self._is_whole(small, large):
            make_profile(self.kernel, self.sigma)  # refuses what has no continuous kernel
            return ResizingKernel(self.kernel, small[::-1], large[::-1], self.sigma)
        if self.scale not in SCALES:
            raise UsageError(f"a factor of {self.scale:g} needs both sizes")
        scale = int(self.scale)
        if not self.kernel.startswith(PSF_PREFIX):
            return find_kernel(self.kernel, scale, self.sigma)
        # Metadata are anybody's: they must not make us open devices, pipes or files elsewhere.
        name = PureWindowsPath(self.kernel.removeprefix(PSF_PREFIX)).name
        path = folder / name
        if not (name and path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST_KERNEL):
            raise KernelError(f"no kernel '{name}' beside it", f"--kernel {PSF_PREFIX}PATH says where it is")
        return find_kernel(f"{PSF_PREFIX}{path}", scale, self.sigma)

    def _is_whole(self, original: Size, large: Size) -> bool:
        """Return whether one of the whole factors on offer leads from one size to the other."""
        return self.scale in SCALES and large == (int(self.scale) * original[0], int(self.scale) * original[1])

    def to_text(self) -> dict[str, str]:
        """Return text chunks: `mapsr-model`, `mapsr-kernel`, …"""
        values = {k: v for k, v in vars(self).items() if v is not None}
        return {PREFIX + k.replace("_", "-"): _text(v) for k, v in values.items()}

    def to_json(self) -> str:
        """Return the same text as one JSON object."""
        return json.dumps(self.to_text())

    @classmethod
    def from_text(cls, text: dict[str, str]) -> Self | None:
        """Read back what `to_text` wrote; None where it is missing or damaged."""
        values = {f.name: text.get(PREFIX + f.name.replace("_", "-")) for f in fields(cls)}
        if any(value is None for name, value in values.items() if name not in _OPTIONAL):
            return None
        try:
            return cls(
                model=str(values["model"]),
                kernel=str(values["kernel"]),
                scale=_finite(str(values["scale"])),
                sigma=None if values["sigma"] is None else float(values["sigma"]),
                input_sha256=str(values["input_sha256"]),
                version=str(values["version"]),
                seed=None if values["seed"] is None else int(values["seed"]),
                sample=None if values["sample"] is None else int(values["sample"]),
                original_size=None if values["original_size"] is None else _size(values["original_size"]),
                size=None if values["size"] is None else _size(values["size"]),
                noise=None if values["noise"] is None else _finite(values["noise"]),
                evidence=values["evidence"],
                texture=None if values["texture"] is None else _finite(values["texture"]),
            )
        except ValueError:
            return None


def _text(value: object) -> str:
    """Write a value: sizes as `640x480`, numbers as short as they are exact."""
    if isinstance(value, tuple):
        return f"{value[0]}x{value[1]}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _finite(text: str) -> float:
    """Read a finite number. Raises ValueError for anything else."""
    number = float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number


def _size(text: str) -> Size:
    """Read `640x480`. Raises ValueError for anything else."""
    match = re.fullmatch(r"([1-9]\d{0,6})x([1-9]\d{0,6})", text)
    if match is None:
        raise ValueError(text)
    return int(match[1]), int(match[2])

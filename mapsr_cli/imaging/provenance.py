"""Where an upscaled file comes from: what it carries so that anyone can check it against its original."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PureWindowsPath
from typing import Self

from mapsr_cli.errors import KernelError
from mapsr_cli.imaging.psf import PREFIX as PSF_PREFIX
from mapsr_cli.imaging.psf import find_kernel
from mapsr_cli.operators import Kernel

PREFIX = "mapsr-"
LARGEST_KERNEL = 1 << 20
"""Bytes of a measured kernel that is read because metadata name it."""
_OPTIONAL = ("sigma", "seed", "sample")


@dataclass(frozen=True)
class Provenance:
    """Stored as text chunks in a PNG, and as one JSON text in the EXIF data (ImageHistory) of all others but BMP."""

    model: str
    """Name of the model, with its version or hash."""
    kernel: str
    """Name of the kernel that takes the picture back to its original."""
    scale: int
    """HR pixels per LR pixel."""
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

    def make_kernel(self, folder: Path) -> Kernel:
        """Make the kernel that it names; a measured one is read from `folder`, whatever path is stored.

        Raises KernelError unless a small regular file of that name is there, UsageError for what is no kernel.
        """
        if not self.kernel.startswith(PSF_PREFIX):
            return find_kernel(self.kernel, self.scale, self.sigma)
        # Metadata are anybody's: they must not make us open devices, pipes or files elsewhere.
        name = PureWindowsPath(self.kernel.removeprefix(PSF_PREFIX)).name
        path = folder / name
        if not (name and path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST_KERNEL):
            raise KernelError(f"no kernel '{name}' beside it", f"--kernel {PSF_PREFIX}PATH says where it is")
        return find_kernel(f"{PSF_PREFIX}{path}", self.scale, self.sigma)

    def to_text(self) -> dict[str, str]:
        """Return text chunks: `mapsr-model`, `mapsr-kernel`, …"""
        values = {k: v for k, v in asdict(self).items() if v is not None}
        return {PREFIX + k.replace("_", "-"): str(v) for k, v in values.items()}

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
                scale=int(str(values["scale"])),
                sigma=None if values["sigma"] is None else float(values["sigma"]),
                input_sha256=str(values["input_sha256"]),
                version=str(values["version"]),
                seed=None if values["seed"] is None else int(values["seed"]),
                sample=None if values["sample"] is None else int(values["sample"]),
            )
        except ValueError:
            return None

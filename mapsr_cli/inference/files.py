"""One file upscaled: decode, upscale, encode."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapsr_cli import __version__
from mapsr_cli.imaging import Provenance, read_picture
from mapsr_cli.imaging.writing import encode
from mapsr_cli.inference.upscaler import Progress, Upscaled, Upscaler


@dataclass(frozen=True, eq=False)
class Encoded:
    """An upscaled file's bytes, and what is to be said about them."""

    data: bytes
    upscaled: Upscaled
    seconds: dict[str, float]
    """decode, network, project, encode, total."""

    def summary(self) -> dict[str, Any]:
        """`size`, `seconds` and `consistency` as `--json` prints them."""
        up = self.upscaled
        return {
            "size": [up.levels.shape[-1], up.levels.shape[-2]],
            "seconds": {k: round(v, 4) for k, v in self.seconds.items()},
            "consistency": {
                "mse_float": up.mse_float,
                "max_abs_float": up.max_abs_float,
                "lr_psnr_file": up.consistency.lr_psnr,
                "bit_exact": up.consistency.bit_exact,
                "worst_levels": up.consistency.worst_levels,
                "passes": up.passes,
            },
        }


def upscale_file(
    source: Path | bytes, upscaler: Upscaler, file_format: str, quality: int | None, progress: Progress
) -> Encoded:
    """Upscale a file (or its bytes) and encode the result as `file_format`, with its provenance."""
    began = time.perf_counter()
    picture = read_picture(source)
    decoded = time.perf_counter()
    upscaled = upscaler(picture.levels, picture.peak, progress)
    encoding = time.perf_counter()
    kernel = upscaler.kernel
    provenance = Provenance(
        upscaler.model.card.name, kernel.name, kernel.scale, kernel.sigma, picture.sha256, __version__
    )
    data = encode(upscaled.levels, file_format, quality, provenance)
    ended = time.perf_counter()
    seconds = {"decode": decoded - began, **upscaled.seconds, "encode": ended - encoding, "total": ended - began}
    return Encoded(data, upscaled, seconds)

"""The whole way from LR levels to HR levels: network in tiles, projection, round trip."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, overload

import torch
from torch import Tensor

from mapsr_cli.errors import UsageError
from mapsr_cli.imaging.memory import PictureLike, picture_from, picture_like
from mapsr_cli.inference.comparison import difference, tally
from mapsr_cli.inference.tiles import AUTO_TILE, run_tiled
from mapsr_cli.operators import Consistency, Downsampling, Kernel, downsampling, round_trip, to_levels
from mapsr_cli.zoo import Model, find_model, load_model

ConsistencyLevel = Literal["bits", "float", "none"]
Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


@dataclass(frozen=True)
class Settings:
    """How to upscale."""

    consistency: ConsistencyLevel = "bits"
    """`bits`: the saved levels, through A and rounded, give the input back; `float`: projected, then only clipped and
    rounded; `none`: the network's estimate as it is."""
    tile: int | None = None
    """LR pixels a side of a tile; None chooses; 0 is the whole image at once."""
    device: str = "cpu"
    """Where the network runs."""
    dtype: torch.dtype = torch.float32
    """What the network computes in; the projection is always at least float32."""


@dataclass(frozen=True, eq=False)
class Unchecked:
    """Upscaled levels and how they came to be, before anyone has looked whether they hold."""

    levels: Tensor
    """[C, s·h, s·w] uint8 (uint16 where peak is 65535), on the CPU."""
    mse_float: float
    """Mean of (x − A ŷ)² over LR samples before rounding, on a 0 … 1 scale."""
    max_abs_float: float
    """Largest |x − A ŷ| before rounding, on a 0 … 1 scale."""
    passes: int
    """Most dual passes that the round trip needed anywhere; 0 where rounding was enough."""
    seconds: dict[str, float]
    """`network` and `project` (projection and round trip)."""


@dataclass(frozen=True, eq=False)
class Upscaled(Unchecked):
    """One upscaled image and how it came to be."""

    consistency: Consistency
    """Of the saved levels."""


def _silent(stage: str, done: int, total: int) -> None:
    pass


class Upscaler:
    """Upscale with one model. Give it LR, get HR that A takes back to LR."""

    def __init__(self, model: Model | str, settings: Settings | None = None, kernel: Kernel | None = None) -> None:
        """`model`: loaded, or anything that `mapsr --model` takes; then raises as `find_model` and `load_model` do."""
        model = load_model(find_model(model)) if isinstance(model, str) else model
        self.model, self.settings = model, settings or Settings()
        self.kernel = kernel or model.kernel
        if self.kernel.scale != model.kernel.scale:
            raise UsageError(f"the model is ×{model.kernel.scale}, the kernel ×{self.kernel.scale}")
        self.network = copy.deepcopy(model.network).to(self.settings.device, self.settings.dtype)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def operator(self, height: int, width: int) -> Downsampling:
        """A for an LR image of height × width."""
        s = self.kernel.scale
        return downsampling(self.kernel, (s * height, s * width), torch.float32, self.settings.device)

    def estimate(self, x: Tensor, progress: Progress = _silent) -> Tensor:
        """f(x), the network alone: x [C, h, w] in [0, 1] (C = 1 or 3) → [C, s·h, s·w] float32, range not enforced."""
        height, width = x.shape[-2:]
        tile = AUTO_TILE if self.settings.tile is None else self.settings.tile
        colour = x.to(self.settings.device, self.settings.dtype).expand(3, -1, -1)
        f = run_tiled(
            lambda part: self.network(part.contiguous(memory_format=torch.channels_last)),
            colour[None],
            self.kernel.scale,
            tile or max(height, width),
            self.model.reach,
            lambda done, total: progress("network", done, total),
        )[0]
        f = f if x.shape[0] == 3 else f.mean(0, keepdim=True)  # grey in, grey out
        return f.float().contiguous()

    @overload
    def __call__(self, lr: Tensor, peak: int = 255, progress: Progress = _silent) -> Upscaled: ...
    @overload
    def __call__(self, lr: PictureLike) -> PictureLike: ...
    def __call__(self, lr: Any, peak: int = 255, progress: Progress = _silent) -> Any:
        """LR levels [C, h, w] (integers 0 … peak, C = 1 or 3) → Upscaled, checked as `verify` does.

        A PIL image, or an array of uint8 or uint16 [h, w] or [h, w, S] → the same kind, upscaled, alpha included.
        """
        if not isinstance(lr, Tensor):
            from mapsr_cli.inference.pictures import upscale_picture  # which needs this module

            return picture_like(upscale_picture(picture_from(lr), self, progress)[0], lr)
        made = self.upscale(lr, peak, progress)
        held = tally(difference(made.levels, lr, self.kernel, peak), peak)
        return Upscaled(**vars(made), consistency=held.consistency)

    @torch.inference_mode()
    def upscale(self, lr: Tensor, peak: int = 255, progress: Progress = _silent) -> Unchecked:
        """LR levels [C, h, w] (integers 0 … peak, C = 1 or 3) → levels that nobody has checked yet."""
        began = time.perf_counter()
        # float32 tells levels of 8 bits apart, but not of 16.
        dtype = torch.float32 if peak <= 255 else torch.float64
        f = self.estimate(lr.float() / peak, progress).to(dtype) * peak
        estimated = time.perf_counter()
        x = lr.to(f.device, dtype)
        op = downsampling(self.kernel, (f.shape[-2], f.shape[-1]), dtype, f.device)
        progress("project", 0, 1)
        # Without a constraint: what the network was trained to add to.
        y = f + op.pinv(x) if self.settings.consistency == "none" else op.project(f, x)
        error = (x - op.down(y)).double() / peak
        levels, passes = to_levels(y, peak), 0
        if self.settings.consistency == "bits":
            result = round_trip(y, x, op, peak, lambda done, total: progress("round trip", done, total))
            levels, passes = result.image, result.passes
        progress("project", 1, 1)
        return Unchecked(
            levels=levels.to("cpu", torch.uint8 if peak <= 255 else torch.uint16),
            mse_float=error.square().mean().item(),
            max_abs_float=error.abs().max().item(),
            passes=passes,
            seconds={"network": estimated - began, "project": time.perf_counter() - estimated},
        )

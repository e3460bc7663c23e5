"""Does an upscaled file, downscaled by A, give its original?"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import pad

from mapsr_cli.errors import ImageError, MapsrError, UsageError
from mapsr_cli.imaging import (
    MAX_PIXELS,
    Frames,
    Holds,
    Picture,
    Provenance,
    find_kernel,
    read_frames,
    read_provenance,
)
from mapsr_cli.inference.comparison import compare
from mapsr_cli.operators import Consistency, Kernel
from mapsr_cli.zoo import find_model, load_model

FALLBACK_KERNEL, FALLBACK_SCALE = "bicubic", 4


@dataclass(frozen=True, eq=False)
class Verification:
    """Whether HR gives LR back, and where not."""

    kernel: Kernel
    """A."""
    consistency: Consistency
    """Of all frames."""
    difference: Tensor
    """[S, h, w] A(HR) rounded, less LR, in levels, of the colour samples and then alpha; of all frames, the largest."""
    original: Picture
    """LR (its first frame)."""
    notes: tuple[str, ...]
    """Remarks worth a line."""


@dataclass(frozen=True)
class KernelChoice:
    """How the call names A: by a model, or by kernel, sigma and scale, or not at all."""

    model: str | None = None
    kernel: str | None = None
    sigma: float | None = None
    scale: int | None = None

    def __post_init__(self) -> None:
        if self.model is not None and (self.kernel, self.sigma, self.scale) != (None, None, None):
            raise UsageError("--model brings its own kernel", "give either --model, or --kernel, --sigma and --scale")

    def kernel_for(self, hr: Path, stored: Provenance | None) -> tuple[Kernel, tuple[str, ...]]:
        """Make A as the call names it; else as the model has it; else as the HR file says; else bicubic ×4.

        Also return remarks about the choice. Raises ImageError where the file names a kernel that cannot be made.
        """
        if self.model is not None:
            return load_model(find_model(self.model)).kernel, ()
        if self.kernel is None and self.sigma is None and stored is not None and self.scale in (None, stored.scale):
            try:
                return stored.make_kernel(hr.parent), ()
            except MapsrError as error:
                hint = "--kernel and --scale say how it was downscaled"
                raise ImageError(f"{hr}: its metadata name no usable kernel ({error})", error.hint or hint) from error
        chosen = find_kernel(
            self.kernel or FALLBACK_KERNEL, FALLBACK_SCALE if self.scale is None else self.scale, self.sigma
        )
        silent = self.kernel is None and stored is None
        return chosen, (f"the file does not say how it was made: taking {chosen.name} ×{chosen.scale}",) * silent


def verify_files(lr_path: Path, hr_path: Path, choice: KernelChoice, max_pixels: int = MAX_PIXELS) -> Verification:
    """Compare A(HR), rounded, with LR. Raises ImageError where sizes, channels or frames do not fit together.

    LR is read as HR stores it: CMYK as RGB, 16 bits as 8, where HR is. `max_pixels` limits LR.
    """
    stored = read_provenance(hr_path)
    kernel, notes = choice.kernel_for(hr_path, stored)
    hr = read_frames(hr_path, Holds(inks=True), kernel.hr_pixels(max_pixels))
    lr = read_frames(lr_path, _holds_of(hr, hr_path), max_pixels)
    if len(lr.distinct) != len(hr.distinct):
        raise ImageError(f"{lr_path} has {len(lr.distinct)} different frames, {hr_path} has {len(hr.distinct)}")
    consistency, off = Consistency(), None
    for small, large in zip(lr.distinct, hr.distinct, strict=True):
        _check_sizes(lr_path, small.size, hr_path, large.size, kernel)
        try:
            frame, difference = compare(large, small, kernel)
        except ImageError as error:
            raise ImageError(f"{lr_path} and {hr_path}: {error}") from error
        consistency += frame
        off = difference if off is None else _larger(off, difference)
    first = lr.pictures[0]
    if stored is not None and stored.input_sha256 != first.sha256:
        notes += (f"{lr_path} is not the very file that {hr_path} was made from (another SHA-256)",)
    return Verification(kernel, consistency, torch.empty(0) if off is None else off, first, notes)


def _holds_of(hr: Frames, path: Path) -> Holds:
    kinds = {(len(picture.levels), picture.alpha is not None) for picture in hr.pictures}
    colours = {count for count, _ in kinds}
    return Holds(
        grey=1 in colours,
        alpha=any(alpha for _, alpha in kinds),
        deep=hr.pictures[0].peak > 255,
        inks=4 in colours,
        mixed=len(kinds) > 1,
        where=str(path),
    )


def _larger(a: Tensor, b: Tensor) -> Tensor:
    """Take the larger of two differences of each sample; pages of a stack may have different numbers of samples."""
    most = max(len(a), len(b))
    a, b = (pad(off, (0, 0, 0, 0, 0, most - len(off))) for off in (a, b))
    return torch.where(b.abs() > a.abs(), b, a)


def _check_sizes(lr_path: Path, lr_size: tuple[int, int], hr_path: Path, hr_size: tuple[int, int], a: Kernel) -> None:
    wanted = a.lr_size(hr_size)
    if wanted != lr_size:
        raise ImageError(
            f"{hr_path} is {hr_size[0]}×{hr_size[1]}: downscaled ×{a.scale} it is {wanted[0]}×{wanted[1]}, "
            f"but {lr_path} is {lr_size[0]}×{lr_size[1]}",
            "is this the right pair, and the right --scale?",
        )

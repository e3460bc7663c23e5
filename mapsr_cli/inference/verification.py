"""Does an upscaled file, downscaled by A, give its original?"""

from dataclasses import dataclass, replace
from math import ceil
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
from mapsr_cli.inference.level_upscaler import EvidenceChoice
from mapsr_cli.inference.report import combined
from mapsr_cli.inference.sizes import LARGEST_FACTOR
from mapsr_cli.operators import Agreement, AnyKernel, Consistency, kernel_between
from mapsr_cli.zoo import find_model, load_model

FALLBACK_KERNEL, FALLBACK_SCALE = "bicubic", 4


@dataclass(frozen=True, eq=False)
class Verification:
    """Whether HR gives LR back, and where not."""

    kernel: AnyKernel
    """A."""
    consistency: Agreement
    """Of all frames."""
    difference: Tensor
    """[S, h, w] A(HR) rounded, less LR, in levels, of the colour samples and then alpha; of all frames, the largest. Of
    a JPEG's cells, by how many steps the worst coefficient of each block is off."""
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

    def kernel_for(
        self, hr: Path, stored: Provenance | None, lr_size: tuple[int, int], hr_size: tuple[int, int]
    ) -> tuple[AnyKernel, tuple[str, ...]]:
        """Choose A between (h, w) and (H, W), and say what is to be noted about that.

        That is A as the call names it; else as the model has it; else as the HR file itself says; else bicubic. Where
        no factor is named, it is ×4 if that leads from one size to the other, and else A between the two sizes. Raises
        ImageError where the file names a kernel that cannot be made.
        """
        unnamed = (self.model, self.kernel, self.sigma) == (None, None, None)
        if unnamed and stored is not None and self.scale in (None, stored.scale):
            try:
                return stored.make_kernel(hr.parent), ()
            except MapsrError as error:
                hint = "--kernel and --scale say how it was downscaled"
                raise ImageError(f"{hr}: its metadata name no usable kernel ({error})", error.hint or hint) from error
        if self.model is not None:
            chosen = load_model(find_model(self.model)).kernel
        else:
            scale = FALLBACK_SCALE if self.scale is None else self.scale
            chosen = find_kernel(self.kernel or FALLBACK_KERNEL, scale, self.sigma)
        between: AnyKernel = chosen
        if self.scale is None and chosen.lr_size(hr_size) != lr_size and _is_larger(hr_size, lr_size):
            _check_shapes(hr, lr_size, hr_size)
            between = kernel_between(chosen, lr_size, hr_size)
        silent = self.model is None and self.kernel is None and stored is None
        return between, (f"the file does not say how it was made: taking {between.name} {between.factor}",) * silent

    def most_pixels(self, stored: Provenance | None, max_pixels: int) -> int:
        """Return how many HR pixels there may be, where there are `max_pixels` LR pixels at most."""
        factors = FALLBACK_SCALE, self.scale or 0, stored.scale if stored is not None else 0
        return ceil(min(max(factors), LARGEST_FACTOR) ** 2 * max_pixels)


def verify_files(
    lr_path: Path,
    hr_path: Path,
    choice: KernelChoice,
    max_pixels: int = MAX_PIXELS,
    evidence: EvidenceChoice = "auto",
    hr: Frames | None = None,
) -> Verification:
    """Compare A(HR) with LR. Raises ImageError where sizes, channels or frames do not fit together.

    LR is read as HR stores it: CMYK as RGB, 16 bits as 8, where HR is. `max_pixels` limits LR. `evidence` is what a
    JPEG says: its coefficients, or its decoded levels; `auto` is what HR says that it agrees with, or the coefficients
    where it says nothing. `hr`: HR's frames, where `read_hr` has decoded them already.
    """
    stored = read_provenance(hr_path)
    if evidence == "auto" and stored is not None:
        evidence = "jpeg" if stored.evidence == "jpeg" else "levels"
    lr, hr, kernel, notes = read_pair(lr_path, hr_path, choice, stored, max_pixels, evidence, hr)
    noise = stored.noise or 0.0 if stored is not None else 0.0
    consistency: Agreement = Consistency()
    off = None
    for small, large in zip(lr.distinct, hr.distinct, strict=True):
        try:
            frame, difference = compare(large, replace(small, noise=noise), kernel)
        except ImageError as error:
            raise ImageError(f"{lr_path} and {hr_path}: {error}") from error
        consistency = combined(consistency, frame)
        off = difference if off is None else _larger(off, difference)
    first = replace(lr.pictures[0], noise=noise)
    if stored is not None and stored.input_sha256 != first.sha256:
        notes += (f"{lr_path} is not the very file that {hr_path} was made from (another SHA-256)",)
    return Verification(kernel, consistency, torch.empty(0) if off is None else off, first, notes)


def read_hr(path: Path, max_pixels: int, at_most: int | None = None) -> Frames:
    """Decode HR as it is to be compared. Raises ImageError, also for more frames than `at_most`."""
    return read_frames(path, Holds(inks=True), max_pixels, at_most)


def read_pair(
    lr_path: Path,
    hr_path: Path,
    choice: KernelChoice,
    stored: Provenance | None,
    max_pixels: int = MAX_PIXELS,
    evidence: EvidenceChoice = "auto",
    hr: Frames | None = None,
) -> tuple[Frames, Frames, AnyKernel, tuple[str, ...]]:
    """Read LR and HR, and choose A between them by what HR's file says of itself, if it does; also returns remarks.

    LR is read as HR stores it: CMYK as RGB, 16 bits as 8, where HR is; and with the coefficients of a JPEG, unless
    `evidence` is `levels`. `max_pixels` limits LR. `hr`: HR's frames, where `read_hr` has decoded them already. Raises
    ImageError where sizes or frames do not fit together, or `evidence` is `jpeg` and there are none.
    """
    hr = hr or read_hr(hr_path, choice.most_pixels(stored, max_pixels))
    lr = read_frames(lr_path, _holds_of(hr, hr_path), max_pixels, coefficients=evidence != "levels")
    first = lr.pictures[0]
    if evidence == "jpeg" and first.jpeg is None:
        reason = first.notes[-1] if first.notes else "it is no JPEG"
        raise ImageError(f"{lr_path}: no evidence of a JPEG ({reason})", "--evidence levels compares its levels")
    kernel, notes = choice.kernel_for(hr_path, stored, lr.size[::-1], hr.size[::-1])
    if len(lr.distinct) != len(hr.distinct):
        raise ImageError(f"{lr_path} has {len(lr.distinct)} different frames, {hr_path} has {len(hr.distinct)}")
    for small, large in zip(lr.distinct, hr.distinct, strict=True):
        _check_sizes(lr_path, small.size, hr_path, large.size, kernel)
    return lr, hr, kernel, notes if first.jpeg is not None or evidence == "levels" else notes + first.notes


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


def _check_shapes(hr: Path, lr_size: tuple[int, int], hr_size: tuple[int, int]) -> None:
    """Raise ImageError where one size is the other stretched: by over two HR pixels and over 2 %."""
    wanted = lr_size[0] * hr_size[1] / lr_size[1]
    if abs(hr_size[0] - wanted) > max(2, 0.02 * wanted):
        sizes = f"{hr_size[1]}×{hr_size[0]}, {lr_size[1]}×{lr_size[0]}"
        raise ImageError(f"{hr} and its original differ in shape ({sizes})", "is this the right pair?")


def _is_larger(hr_size: tuple[int, int], lr_size: tuple[int, int]) -> bool:
    return hr_size != lr_size and hr_size[0] >= lr_size[0] and hr_size[1] >= lr_size[1]


def _check_sizes(
    lr_path: Path, lr_size: tuple[int, int], hr_path: Path, hr_size: tuple[int, int], a: AnyKernel
) -> None:
    """Raise ImageError where A does not lead from one size (width, height) to the other."""
    try:
        height, width = a.lr_size(hr_size[::-1])
    except UsageError as error:
        raise ImageError(f"{hr_path}: {error}", "is this the right pair?") from error
    if (width, height) != lr_size:
        raise ImageError(
            f"{hr_path} is {hr_size[0]}×{hr_size[1]}: downscaled {a.factor} it is {width}×{height}, "
            f"but {lr_path} is {lr_size[0]}×{lr_size[1]}",
            "is this the right pair, and the right --scale?",
        )

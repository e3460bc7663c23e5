"""One file upscaled, in three steps that different threads may take: decode, upscale, encode."""

import time
from dataclasses import dataclass, replace

from mapsr_cli import __version__
from mapsr_cli.imaging import (
    FORMATS,
    MAX_PIXELS,
    FileSource,
    FrameProgress,
    Frames,
    Holds,
    Picture,
    Provenance,
    check_size,
    encode_frames,
    is_lossless,
    read_frames,
)
from mapsr_cli.imaging.digital_source import COMPOSITE, ENHANCED, labelled
from mapsr_cli.inference.comparison import compare
from mapsr_cli.inference.report import StageProgress, UpscaleReport, combined, silent
from mapsr_cli.inference.upscaler import Upscaler
from mapsr_cli.operators import Agreement, AnyKernel, Consistency
from mapsr_cli.zoo import Textured


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
    label: bool = False
    """Whether the file says, as XMP, that it is not as a camera took it: IPTC's digital source type."""

    @property
    def lossless(self) -> bool:
        """Whether the file keeps every level."""
        return is_lossless(self.file_format, self.quality)


def upscale_file(
    source: FileSource, upscaler: Upscaler, output: Output, progress: StageProgress = silent
) -> tuple[bytes, UpscaleReport]:
    """Upscale a file (or its bytes) and encode the result, with profile, EXIF and provenance. Raises MapsrError."""
    originals, decoding = load_file(source, output, upscaler)
    upscaled, upscaling = upscale_frames(originals, upscaler, progress)
    return encode_file(originals, upscaled, decoding + upscaling, upscaler, output)


def load_file(
    source: FileSource, output: Output, upscaler: Upscaler, progress: FrameProgress = lambda done, total: None
) -> tuple[Frames, UpscaleReport]:
    """Decode a file into what the output holds. Raises ImageError, also where the result could not be stored so."""
    began = time.perf_counter()
    holds = FORMATS[output.file_format].holds
    at_most, coefficients = None if output.animate else 1, upscaler.settings.asks_for_coefficients
    frames = read_frames(source, holds, output.max_pixels, at_most, progress, coefficients)
    check_size(output.file_format, upscaler.size_of(frames.pictures[0]))
    frames = replace(frames, pictures=tuple(map(upscaler.as_taken, frames.pictures)))
    return frames, UpscaleReport(seconds={"decode": time.perf_counter() - began}, notes=frames.pictures[0].notes)


def upscale_frames(
    originals: Frames, upscaler: Upscaler, progress: StageProgress = silent, sample: int = 1
) -> tuple[Frames, UpscaleReport]:
    """Upscale every frame, all as the same sample. Raises MapsrError."""
    results = [upscaler.upscale(picture, progress, sample=sample) for picture in originals.pictures]
    frames = replace(originals, pictures=tuple(picture for picture, _ in results))
    return frames, sum((report for _, report in results), UpscaleReport())


def encode_file(
    originals: Frames, upscaled: Frames, report: UpscaleReport, upscaler: Upscaler, output: Output, sample: int = 1
) -> tuple[bytes, UpscaleReport]:
    """Encode, with profile, EXIF and provenance; complete the report by what the file stores. Raises ImageError."""
    began = time.perf_counter()
    provenance = _provenance(originals, upscaled, upscaler, sample)
    first, _ = with_label(upscaled.pictures[0], upscaler, output)
    frames = replace(upscaled, pictures=(first, *upscaled.pictures[1:]))
    data = encode_frames(frames, output.file_format, output.quality, provenance)
    lost = first.tags.losses(output.file_format, len(first.levels))
    notes = (f"{FORMATS[output.file_format].holds.where} cannot keep {', '.join(lost)}",) if lost else ()
    report += UpscaleReport(seconds={"encode": time.perf_counter() - began}, notes=notes)
    # A WebP animation, though lossless to the eye, drops the colour under transparent pixels.
    if not (output.lossless and len(upscaled.pictures) == 1):
        kernel = upscaler.kernel_for(originals.pictures[0])
        report = replace(report, consistency=stored_consistency(data, originals, kernel))
    return data, report


def with_label(picture: Picture, upscaler: Upscaler, output: Output) -> tuple[Picture, str | None]:
    """Add IPTC's digital source type to an upscaled picture's XMP, and return it; None where it gets none."""
    if not output.label:
        return picture, None
    term = COMPOSITE if upscaler.model.invents else ENHANCED
    tags, label = labelled(picture.tags, term, output.file_format)
    return replace(picture, tags=tags), label


def _provenance(originals: Frames, upscaled: Frames, upscaler: Upscaler, sample: int) -> Provenance:
    original = originals.pictures[0]
    model = upscaler.model_for(original)
    kernel = upscaler.kernel_for(original)
    seed, drawn = (upscaler.settings.seed, sample) if model.noise_dim else (None, None)
    return Provenance(
        model.identity,
        kernel.name,
        kernel.scale,
        kernel.sigma,
        original.sha256,
        __version__,
        seed,
        drawn,
        original.size,
        upscaled.size,
        max(picture.noise for picture in originals.pictures) or None,
        None if original.jpeg is None else "jpeg",
        model.texture if isinstance(model, Textured) else None,
    )


def stored_consistency(data: bytes, originals: Frames, kernel: AnyKernel) -> Agreement:
    """Decode a file again and compare it with its originals."""
    first = originals.pictures[0]
    pixels = kernel.hr_pixels(len(originals.pictures) * first.levels[0].numel())
    saved = read_frames(data, Holds(inks=True), pixels)
    pairs = zip(saved.distinct, originals.distinct, strict=False)  # a lossy animation may merge more than ours
    found: Agreement = Consistency()
    for hr, lr in pairs:
        found = combined(found, compare(hr, lr, kernel)[0])
    return found

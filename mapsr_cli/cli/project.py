"""`mapsr project`: make a finished picture of any tool give its original back."""

from math import isinf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.report import failures, guarantee, result

if TYPE_CHECKING:
    from mapsr_cli.inference.files import Output
    from mapsr_cli.inference.level_upscaler import EvidenceChoice
    from mapsr_cli.inference.verification import KernelChoice


def project(
    original: Annotated[Path, typer.Argument(metavar="ORIGINAL", help="The small picture, or a folder of them.")],
    finished: Annotated[
        Path,
        typer.Argument(
            metavar="UPSCALED",
            help="The large picture that any tool made of it, or a folder of them. In folders, photo.jpg goes with "
            "photo.png, photo_4x.png, photo-large.png, …",
        ),
    ],
    output: options.FileOrFolder,
    kernel: Annotated[str | None, options.kernel("bicubic")] = None,
    sigma: Annotated[float | None, options.sigma()] = None,
    evidence: Annotated[
        options.EvidenceKind, options.evidence("auto: jpeg, where that can be had")
    ] = options.EvidenceKind.auto,
    quality: options.Quality = None,
    overwrite: options.Overwrite = False,
    max_pixels: options.MaxPixels = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Change an upscaled picture of any tool as little as possible, so that made small again it is the original.

    Of a JPEG, such that it agrees with every coefficient that the file stores. The picture may be of any size from 1.1
    times the original's on. The kernel is the filter that makes it small again.
    """
    with failures(debug):
        from mapsr_cli.cli.outcomes import Outcomes
        from mapsr_cli.cli.pairs import find_pairs
        from mapsr_cli.cli.paths import check_quality
        from mapsr_cli.imaging import MAX_PIXELS, output_format
        from mapsr_cli.inference.files import Output
        from mapsr_cli.inference.verification import KernelChoice

        pairs = find_pairs(original, finished, output, overwrite)
        check_quality(quality, (target for _, _, target in pairs))
        choice = KernelChoice(kernel=kernel or "bicubic", sigma=sigma)
        outcomes = Outcomes(len(pairs), strict=debug or len(pairs) == 1)
        for small, large, target in pairs:
            with outcomes.of(small):
                kind = Output(output_format(target.name), quality, max_pixels or MAX_PIXELS)
                outcomes.results.append(_project(small, large, target, choice, kind, evidence.value, overwrite, json))
        if json:
            outcomes.document()
        outcomes.close()


def _project(
    original: Path,
    finished: Path,
    target: Path,
    choice: "KernelChoice",
    output: "Output",
    evidence: "EvidenceChoice",
    overwrite: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Project one file and say what came of it. Raises MapsrError."""
    from mapsr_cli.cli.progress import progress_bar
    from mapsr_cli.files import write_bytes
    from mapsr_cli.inference.finished import project_file

    with progress_bar() as update:

        def show(stage: str, done: int, total: int) -> None:
            update(f"{finished.name}: {stage}", done, total)

        data, report, psnr, frames, kernel = project_file(original, finished, choice, output, show, evidence)
    write_bytes(target, data, overwrite)
    exact = guarantee(finished, target, report, output.lossless)
    width, height = frames.size
    changed = "unchanged" if isinf(psnr) else f"changed by {psnr:.1f} dB"
    if not quiet:
        result(f"{target}  {width}×{height}, {kernel.factor} {kernel.name}, {exact}, {changed}, {report.total:.1f} s")
    return {
        "input": str(original),
        "finished": str(finished),
        "output": str(target),
        "scale": kernel.scale,
        "kernel": kernel.name,
        "evidence": report.consistency.evidence,
        "size": [width, height],
        **report.summary(),
        "changed_psnr": None if isinf(psnr) else psnr,
    }

"""Which files a command reads, and where it writes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.imaging import output_format

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
PIPE = Path("-")


@dataclass(frozen=True)
class Job:
    """One file to upscale."""

    source: Path
    target: Path


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise ImageError if `path` exists and may not be replaced."""
    if path.exists() and not overwrite:
        raise ImageError(f"{path} exists", "--overwrite replaces it")


def refuse_nowhere(*paths: Path | None) -> None:
    """Raise UsageError for a file in a folder that does not exist: better before the work than after it."""
    for path in paths:
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"{path}: there is no folder {path.parent}")


def _files(source: Path, recursive: bool, suffix: str) -> Iterator[Path]:
    """Images in a folder; not those that an earlier run put there."""
    found = source.rglob("*") if recursive else source.glob("*")
    for path in sorted(found):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and not path.stem.endswith(suffix):
            yield path


def _as_folder(output: Path, inputs: list[Path]) -> bool:
    return output.is_dir() or len(inputs) > 1 or inputs[0].is_dir() or not output.suffix


def plan(inputs: list[Path], output: Path | None, recursive: bool, suffix: str, extension: str | None) -> list[Job]:
    """What to read and where to write it.

    Beside its source as `<name><suffix>.<extension>` by default; into `output` if that is a folder (folder inputs keep
    their structure there); to `output` itself if there is one input and it names a file. Raises UsageError where two
    inputs would write one file, a folder holds no image, or an output's suffix is none that can be written.
    """
    jobs = []
    for source in inputs:
        if source == PIPE:
            if output is None:
                raise UsageError("reading standard input needs -o", "-o FILE, or -o - for a pipe")
            jobs.append(Job(source, output))
            continue
        folder = source.is_dir()
        sources = list(_files(source, recursive, suffix)) if folder else [source]
        if not sources:
            raise UsageError(f"{source}: no images there", "--recursive looks in its folders too")
        for path in sources:
            name = f"{path.stem}{suffix}.{extension or 'png'}"
            if output is None:
                jobs.append(Job(path, path.with_name(name)))
            elif output == PIPE or not _as_folder(output, inputs):
                jobs.append(Job(path, output))
            else:
                jobs.append(Job(path, output / (path.relative_to(source).parent if folder else "") / name))
    targets: dict[Path, Path] = {}
    for job in jobs:
        if job.target in targets and job.target != PIPE:
            raise UsageError(f"{targets[job.target]} and {job.source} would both be written to {job.target}")
        targets[job.target] = job.source
        if extension is None and job.target != PIPE:
            output_format(job.target.name)  # better refused now than after the work
    return jobs

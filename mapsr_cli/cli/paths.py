"""Which files a command reads, and where it writes."""

import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mapsr_cli.cli.report import printable
from mapsr_cli.errors import FileError, ImageError, UsageError
from mapsr_cli.files import check_target, identity
from mapsr_cli.imaging import output_format
from mapsr_cli.imaging.formats import SUFFIXES

PIPE = Path("-")
LISTS = (".txt", ".lst")
SHEET, MAP = "_samples", "_spread"
"""Endings of a contact sheet's and a map's name."""


@dataclass(frozen=True)
class Job:
    """One file to upscale."""

    source: Path
    target: Path
    sample: int = 1
    """Number of the draw, where the model is stochastic."""

    def samples(self, count: int) -> list["Job"]:
        """Return this job `count` times: photo_x4.png becomes photo_x4_1.png, photo_x4_2.png, …"""
        return [Job(self.source, beside(self.target, f"_{n}"), n) for n in range(1, count + 1)]

    def targets(self, samples: int | None) -> list[Path]:
        """List all pictures that it writes: one, or the samples with their contact sheet and map."""
        if samples is None:
            return [self.target]
        return [*(one.target for one in self.samples(samples)), sheet_path(self.target), map_path(self.target)]


def beside(target: Path, ending: str, extension: str | None = None) -> Path:
    """Return photo_x4<ending>.png for photo_x4.png, or with another extension."""
    return target.with_name(f"{target.stem}{ending}{target.suffix if extension is None else extension}")


def sheet_path(target: Path) -> Path:
    """Return the path of the contact sheet of photo_x4.png's samples: photo_x4_samples.png."""
    return beside(target, SHEET, ".png")


def map_path(target: Path) -> Path:
    """Return the path of the map of where the samples differ: photo_x4_spread.png."""
    return beside(target, MAP, ".png")


def page_path(target: Path) -> Path:
    """Return the path of the before/after page: photo_x4.html."""
    return beside(target, "", ".html")


def source_name(job: Job) -> str:
    """Return the name of the input for people."""
    return "standard input" if job.source == PIPE else printable(job.source.name)


@dataclass(frozen=True)
class Source:
    """An input file, and the folder whose structure its output keeps."""

    path: Path
    root: Path | None = None


def check_outputs(overwrite: bool, *paths: Path | None, inputs: Iterable[Path] = ()) -> None:
    """Raise MapsrError for a file that may not be written: better before the work than after it.

    UsageError where its folder does not exist or two outputs have one name; FileError where it exists and is not to be
    replaced, or is one of `inputs`.
    """
    outputs = [path for path in paths if path is not None]
    if len({path.absolute() for path in outputs}) < len(outputs):
        raise UsageError(f"{outputs[0]} is named twice", "give each output a name of its own")
    taken = {identity(path) for path in inputs} - {None}
    for path in outputs:
        if not _is_folder(path.parent):
            raise UsageError(f"{path}: there is no folder {path.parent}")
        check_target(path, overwrite)
        if identity(path) in taken:
            raise FileError(f"{path} is read by this command and not replaced", "give the output another name")


def check_naming(suffix: str | None, file_format: str | None) -> None:
    """Raise UsageError for what cannot end a file's name: it would lead into other folders."""
    if suffix is not None and any(separator in suffix for separator in (os.sep, os.altsep) if separator):
        raise UsageError(f"--suffix is part of a name, not a path: '{suffix}'", "-o FOLDER says where to")
    if file_format is not None:
        output_format(file_format)
        if "." in file_format:
            raise UsageError(f"--format takes a suffix alone, such as png, not '{file_format}'")


def find_sources(inputs: list[Path], recursive: bool, suffix: str) -> list[Source]:
    """Find the files that inputs name: files, folders, glob patterns that the shell left alone, lists (.txt, .lst).

    A list names one input per line, relative to itself; `#` starts a remark. In folders, files whose stem ends with
    `suffix` are an earlier run's. A file named twice counts once, as it was named first. Raises UsageError where a
    folder or a pattern gives no image, ImageError for a list that cannot be read.
    """
    found: dict[Path, Source] = {}
    for given in inputs:
        for named in _expanded(given):
            for source in _in_folder(named, recursive, suffix) if _is_folder(named) else [Source(named)]:
                found.setdefault(source.path, source)
    return list(found.values())


def _expanded(given: Path) -> Iterator[Path]:
    text = str(given)
    if given == PIPE or os.path.lexists(given):
        yield from (_listed(given) if given.suffix.lower() in LISTS and _is_file(given) else [given])
    elif glob.has_magic(text):
        matches = map(Path, sorted(glob.glob(text, recursive=True)))  # noqa: PTH207 (Path.glob wants relative patterns)
        files = [path for path in matches if not _is_folder(path)]
        if not files:
            raise UsageError(f"no file matches {text}")
        yield from files
    else:
        yield given  # reading it will say what is wrong


def _listed(listing: Path) -> Iterator[Path]:
    try:
        lines = [line.strip() for line in listing.read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f"{listing}: not a readable list ({error})", "one path per line, in UTF-8") from error
    for line in lines:
        if line and not line.startswith("#"):
            yield listing.parent / line


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 (False, not an error, for names that cannot be or may not be looked up)


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 (the same)


def _in_folder(folder: Path, recursive: bool, suffix: str) -> Iterator[Source]:
    """Find the images in a folder, without those that an earlier run put there (samples, sheets and maps included)."""
    found = sorted(folder.rglob("*") if recursive else folder.glob("*"))
    ours = re.compile(rf"{re.escape(suffix)}(_\d+|{SHEET}|{MAP})?$")
    images = [p for p in found if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and _is_plain(p)]
    if not images:
        raise UsageError(f"{folder}: no images there", "--recursive looks in its folders too")
    yield from (Source(path, folder) for path in images if not ours.search(path.stem))


def _is_plain(path: Path) -> bool:
    """Return whether it is a file: no folder, pipe or device. A link to nowhere counts, so that it is reported."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def plan(sources: list[Source], output: Path | None, folder: bool, suffix: str, extension: str | None) -> list[Job]:
    """Choose where to write what is read.

    Beside its source as `<name><suffix>.<extension>` by default; into `output` if that is a `folder` (what comes from
    folders keeps its structure there); to `output` itself if not. Raises UsageError where two inputs would write one
    file, or an output's suffix is none that can be written.
    """
    jobs = [Job(source.path, _target(source, output, folder, suffix, extension)) for source in sources]
    targets: dict[Path, Path] = {}
    for job in jobs:
        if job.target in targets and job.target != PIPE:
            raise UsageError(f"{targets[job.target]} and {job.source} would both be written to {job.target}")
        targets[job.target] = job.source
        if extension is None and job.target != PIPE:
            output_format(job.target.name)  # better refused now than after the work
    return jobs


def refuse_replacing(jobs: list[Job], samples: int | None = None) -> None:
    """Raise UsageError where a picture, or one of the `samples` of it, would take the place of any job's input."""
    inputs = {_identity(job.source): job.source for job in jobs}
    for job in jobs:
        for target in job.targets(samples):
            if (there := _identity(target)) and (replaced := inputs.get(there)):
                what = "its own input" if replaced == job.source else f"{replaced}, another input"
                raise UsageError(f"{target} would replace {what}", "choose another -o, or leave that input out")


def _identity(path: Path) -> tuple[int, int] | None:
    return None if path == PIPE else identity(path)


def is_folder(output: Path, inputs: list[Path], sources: list[Source]) -> bool:
    """Return whether `-o` names a folder: it is one, must be one, or has no suffix."""
    return _is_folder(output) or len(sources) > 1 or any(map(_is_folder, inputs)) or not output.suffix


def _target(source: Source, output: Path | None, folder: bool, suffix: str, extension: str | None) -> Path:
    if source.path == PIPE:
        if output is None:
            raise UsageError("reading standard input needs -o", "-o FILE, or -o - for a pipe")
        return output
    name = f"{source.path.stem}{suffix}.{extension or 'png'}"
    if output is None:
        return source.path.with_name(name)
    if output == PIPE or not folder:
        return output
    return output / (source.path.relative_to(source.root).parent if source.root else "") / name


@dataclass(frozen=True)
class Share:
    """Which jobs are this process's, where several share them (`accelerate launch`, `torchrun`)."""

    rank: int = 0
    processes: int = 1

    @classmethod
    def from_environment(cls) -> "Share":
        """Read RANK and WORLD_SIZE. Raises UsageError where they do not go together."""
        rank, processes = (os.environ.get(name) or default for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")))
        if not (rank.isdecimal() and processes.isdecimal() and int(rank) < int(processes)):
            raise UsageError(f"RANK={rank} and WORLD_SIZE={processes} do not go together")
        return cls(int(rank), int(processes))

    def of(self, jobs: list[Job]) -> list[Job]:
        """Select every `processes`-th job, from the `rank`-th on."""
        return jobs[self.rank :: self.processes]

"""Where a command writes: a job per picture, and what must not be replaced."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from mapsr_cli.cli.report import printable, say
from mapsr_cli.cli.sources import MAP, PIPE, SHEET, Source, is_folder, is_output, was_made_of
from mapsr_cli.errors import FileError, UsageError
from mapsr_cli.files import check_target, identity
from mapsr_cli.imaging import output_format
from mapsr_cli.imaging.formats import FORMATS

NAMED = 5
"""Files that one note names, at most."""


@dataclass(frozen=True)
class Job:
    """One file to upscale."""

    source: Path
    target: Path
    sample: int = 1
    """Number of the draw, where the model is stochastic."""
    other: Path | None = None
    """Another input that has the name which this one would have had."""

    def samples(self, count: int) -> list["Job"]:
        """Return this job `count` times: photo_x4.png becomes photo_x4_1.png, photo_x4_2.png, …"""
        return [replace(self, target=beside(self.target, f"_{n}"), sample=n) for n in range(1, count + 1)]

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
        if not is_folder(path.parent):
            raise UsageError(f"{path}: there is no folder {path.parent}")
        check_target(path, overwrite)
        if identity(path) in taken:
            raise FileError(f"{path} is read by this command and not replaced", "give the output another name")


def check_quality(quality: int | None, targets: Iterable[Path], file_format: str | None = None) -> None:
    """Raise UsageError for a quality where no output can have one; `file_format` is that of standard output."""
    if quality is None:
        return
    formats = {output_format((file_format or "png") if path == PIPE else path.name) for path in targets}
    if formats and not any(FORMATS[each].quality for each in formats):
        raise UsageError(f"--quality: {' and '.join(sorted(formats))} files have none", "JPEG, AVIF and WebP files do")


def check_naming(suffix: str | None, file_format: str | None) -> None:
    """Raise UsageError for what cannot end a file's name: it would lead into other folders."""
    if suffix is not None and any(separator in suffix for separator in (os.sep, os.altsep) if separator):
        raise UsageError(f"--suffix is part of a name, not a path: '{suffix}'", "-o FOLDER says where to")
    if file_format is not None:
        output_format(file_format)
        if "." in file_format:
            raise UsageError(f"--format takes a suffix alone, such as png, not '{file_format}'")


@dataclass(frozen=True)
class Destination:
    """What `-o` names."""

    path: Path
    folder: bool

    def target(self, name: str | Path) -> Path:
        """Return where a picture of that name goes: into the folder, or to the file whatever the name."""
        return self.path / name if self.folder else self.path


def choose_destination(
    output: str | None, inputs: list[Path], sources: list[Source], file_format: str | None
) -> Destination | None:
    """Decide whether `-o` names a folder or a file, None where it is not given.

    It is a folder if it is one already, ends with a slash, has no suffix, or if there are several inputs and its suffix
    is that of no picture. Raises UsageError for one picture's name with several inputs, or with another `--format`.
    """
    if output is None:
        return None
    path = Path(output)
    ends = tuple(separator for separator in (os.sep, os.altsep) if separator)
    is_picture = any(path.suffix.lower() in known.suffixes for known in FORMATS.values())
    if path != PIPE and (output.endswith(ends) or is_folder(path)):
        return Destination(path, folder=True)
    if path != PIPE and (len(sources) > 1 or any(map(is_folder, inputs))):
        if is_picture:
            raise UsageError(f"-o {output} names one picture, but there are several", f"-o {output}/ or -o FOLDER")
        return Destination(path, folder=True)
    if file_format and is_picture and output_format(path.name) != output_format(file_format):
        raise UsageError(f"-o {output} and --format {file_format} say different formats", "leave out one of them")
    if path.suffix and not is_picture and not file_format:
        raise UsageError(f"-o {output} does not end in a format that can be written", f"-o {output}/ for a folder")
    return Destination(path, folder=path != PIPE and not path.suffix)


def plan(
    sources: list[Source],
    destination: Destination | None,
    suffix: str | None,
    extension: str | None,
    samples: int | None,
) -> list[Job]:
    """Choose where to write what is read; leave out what a job of the same call writes (`*.png`, run twice).

    With a suffix of None nothing is left out, as by `find_sources`, and names stay as they are.

    Beside its source as `<name><suffix>.<extension>` by default; into the destination if that is a folder (what comes
    from folders keeps its structure there); to the destination itself if not. Of several inputs with one name (a.jpg,
    a.png), all but one keep their old extension in it: a.png_x4.png; that one is the first, or the one of which the
    picture that is there was made. Raises UsageError where two inputs would
    still write one file, or an output's suffix is none that can be written.
    """

    def make_job(source: Source, other: Path | None = None) -> Job:
        stem = source.path.stem if other is None else source.path.name
        return Job(source.path, _target(source, stem, destination, suffix or "", extension), other=other)

    def add(source: Source, job: Job) -> None:
        if (owner := owners.get(job.target)) and job.target != PIPE:
            raise UsageError(f"{owner.path} and {job.source} would both be written to {job.target}")
        if extension is None and job.target != PIPE:
            output_format(job.target.name)  # better refused now than after the work
        owners[job.target], jobs[source.path] = source, job

    jobs: dict[Path, Job] = {}
    owners: dict[Path, Source] = {}
    for source in sources:
        job = make_job(source)
        owner = owners.get(job.target)
        if owner and owner.path.name != source.path.name and (destination is None or destination.folder):
            first, second = (source, owner) if was_made_of(job.target, source.path) else (owner, source)
            owners[job.target], jobs[first.path] = first, make_job(first)
            add(second, make_job(second, first.path))
        else:
            add(source, job)
    written = {target for job in jobs.values() for target in job.targets(samples)}
    return [
        job for job in jobs.values() if suffix is None or job.source not in written or not is_output(job.source, suffix)
    ]


def tell_sources(outputs: list[Path], jobs: list[Job], samples: int | None) -> None:
    """Say which inputs are left out as outputs of other runs, and which pictures get another name than expected."""
    written = {target for job in jobs for target in job.targets(samples)}
    outputs = [path for path in outputs if path not in written]
    if outputs:
        names = ", ".join(path.name for path in outputs[:NAMED]) + ", …" * (len(outputs) > NAMED)
        are = "is an earlier output of mapsr and is" if len(outputs) == 1 else "are earlier outputs of mapsr and are"
        say(f"note: {len(outputs)} of the pictures {are} left out: {names}")
    for job in jobs:
        if job.other is not None:
            say(f"note: {job.source} is written to {job.target.name}, as {job.other.name} has the other name")


def refuse_replacing(jobs: list[Job], samples: int | None = None, overwrite: bool = True) -> None:
    """Raise UsageError where a picture, or one of its `samples`, would take the place of its input.

    With `overwrite`, of any job's input.
    """
    inputs = {_identity(job.source): job.source for job in jobs}
    for job in jobs:
        for target in job.targets(samples):
            if (there := _identity(target)) and (replaced := inputs.get(there)):
                if replaced == job.source:
                    raise UsageError(f"{target} would replace its own input", "choose another -o or --suffix")
                if overwrite:
                    what = f"{target} would replace {replaced}, another input"
                    raise UsageError(what, "choose another -o, or leave that input out")


def _identity(path: Path) -> tuple[int, int] | None:
    return None if path == PIPE else identity(path)


def _target(source: Source, stem: str, destination: Destination | None, suffix: str, extension: str | None) -> Path:
    if source.path == PIPE:
        if destination is None:
            raise UsageError("reading standard input needs -o", "-o FILE, or -o - for a pipe")
        return destination.path
    name = f"{stem}{suffix}.{extension or 'png'}"
    if destination is None:
        return source.path.with_name(name)
    inside = source.path.relative_to(source.root).parent if source.root else Path()
    return destination.target(inside / name)


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

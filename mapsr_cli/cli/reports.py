"""`mapsr upscale --report`: a report beside each picture, and an index of a batch."""

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mapsr_cli.cli.companions import Made
from mapsr_cli.cli.paths import Job, beside, source_name
from mapsr_cli.cli.report import evidence, say, wrote
from mapsr_cli.cli.sources import PIPE
from mapsr_cli.files import write_bytes
from mapsr_cli.imaging.psf import PREFIX as PSF_PREFIX
from mapsr_cli.inference import Upscaler
from mapsr_cli.reports.index import INDEX, INDEX_PAGE, NotMade, merged, read_index
from mapsr_cli.reports.writing import Naming, make_report, plain_name
from mapsr_cli.views.report_page import index_page, report_page

_NAMED = ("inputs", "output", "json", "debug")
"""Parameters that a report does not repeat: it has names of its own for files, and the others change no file."""


def report_path(target: Path) -> Path:
    """Return the path of the report of photo_x4.png: photo_x4.json."""
    return beside(target, "", ".json")


def report_page_path(target: Path) -> Path:
    """Return the path of that report as a page: photo_x4_report.html."""
    return beside(target, "_report", ".html")


def given_options(context: Any) -> list[str]:
    """List the options that a command was given, as words: names of files without their folders."""
    words: list[str] = []
    for param in context.command.params:
        source = context.get_parameter_source(param.name)
        if source is None or source.name != "COMMANDLINE" or param.name in _NAMED:
            continue
        value, option = context.params[param.name], max(param.opts, key=len)
        words += [option] if value is True else [option, _without_folder(value)]
    return words


def asked_name(model: str | None) -> str:
    """Return how a model is asked for, where that is not the path of a file or a folder."""
    return "" if model is None or os.path.lexists(model) else model


def _without_folder(value: object) -> str:
    text = str(getattr(value, "value", value))
    if text.startswith(PSF_PREFIX):
        return PSF_PREFIX + plain_name(text.removeprefix(PSF_PREFIX))
    return plain_name(text) if isinstance(value, Path) or os.path.lexists(text) else text


@dataclass
class Reports:
    """The reports of `--report`."""

    upscaler: Upscaler
    options: Sequence[str]
    """As they were given."""
    asked: str
    """How the model was asked for, as `reports.document.ModelFile.asked`."""
    known: list[Path] = field(default_factory=list)
    """Reports of this batch's pictures, written now or earlier."""

    def paths(self, job: Job) -> dict[str, Path]:
        """Name the report, and its page."""
        return {"report": report_path(job.target), "report_page": report_page_path(job.target)}

    def files(self, made: Made) -> Iterator[tuple[Path, bytes]]:
        """Make the report, and its page."""
        job = made.job
        source = source_name(job) if job.source == PIPE else plain_name(job.source)
        target = plain_name(job.target)
        words = ["mapsr", "upscale", source, *self.options]
        naming = Naming(source, target, shlex.join(words), self.asked)
        report = make_report(
            naming,
            made.originals,
            made.upscaled,
            made.data,
            made.report,
            self.upscaler,
            made.output,
            evidence(made.originals.pictures[0]),
            job.sample,
        )
        paths = self.paths(job)
        yield paths["report"], report.to_json()
        yield paths["report_page"], report_page(report, plain_name(paths["report"])).encode()
        self.known.append(paths["report"])

    def catch_up(self, job: Job) -> None:
        """Note the report of a picture that was there before, or that it has none: how it was made is not known."""
        if os.path.lexists(path := report_path(job.target)):
            self.known.append(path)
        else:
            say(f"note: {job.target} was there already, and has no report")

    def check(self, jobs: Sequence[Job]) -> None:
        """Raise MapsrError where the index of a batch would replace a file that is none."""
        if len(jobs) > 1:
            read_index(_common_folder(jobs) / INDEX)

    def write_index(self, jobs: Sequence[Job], failed: Sequence[dict[str, str]]) -> None:
        """Write an index of all reports of a batch, and of earlier ones in its folder; none of a single report.

        Raises MapsrError where it cannot be written.
        """
        if not self.known or len(jobs) == len(self.known) == 1:
            return
        folder = _common_folder(jobs)
        folders = {f"{path.parent}{os.sep}" for job in jobs for path in (job.source, job.target)}
        failures = tuple(NotMade(plain_name(one["input"]), _without(folders, one["error"])) for one in failed)
        index = merged(read_index(folder / INDEX), folder, self.known, failures)
        write_bytes(folder / INDEX, index.to_json())
        write_bytes(folder / INDEX_PAGE, index_page(index).encode())
        wrote(folder / INDEX, folder / INDEX_PAGE)


def _common_folder(jobs: Sequence[Job]) -> Path:
    """Return the innermost folder that holds all that a batch writes."""
    return Path(os.path.commonpath([job.target.absolute().parent for job in jobs]))


def _without(folders: Iterable[str], text: str) -> str:
    """Leave folders out of a message."""
    for folder in sorted(folders, key=len, reverse=True):
        text = text.replace(folder, "")
    return text

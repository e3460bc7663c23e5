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
from mapsr_cli.imaging import output_format
from mapsr_cli.imaging.psf import PREFIX as PSF_PREFIX
from mapsr_cli.inference import Upscaler
from mapsr_cli.reports.document import FileReport
from mapsr_cli.reports.index import INDEX, INDEX_PAGE, NotMade, merged, read_index
from mapsr_cli.reports.signing import Certificate, check_signable, sign
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
        if not was_given(context, param.name) or param.name in _NAMED:
            continue
        value, option = context.params[param.name], max(param.opts, key=len)
        words += [option] if value is True else [option, _without_folder(param.name, value)]
    return words


def was_given(context: Any, name: str) -> bool:
    """Return whether the command line has an option, rather than its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def asked_name(model: str | None) -> str:
    """Return how a model is asked for, where that is not the path of a file or a folder."""
    return "" if model is None or os.path.lexists(model) else model


def _without_folder(name: str, value: object) -> str:
    text = str(getattr(value, "value", value))
    if name == "model" and asked_name(text):
        return text  # org/repo is no path
    if text.startswith(PSF_PREFIX):
        return PSF_PREFIX + plain_name(text.removeprefix(PSF_PREFIX))
    return plain_name(text) if os.sep in text else text


@dataclass
class Reports:
    """The reports of `--report`."""

    upscaler: Upscaler
    options: Sequence[str]
    """As they were given."""
    asked: str
    """How the model was asked for, as `reports.document.ModelFile.asked`."""
    certificate: Certificate | None = None
    """What signs each picture and its report; None leaves them unsigned."""
    known: list[Path] = field(default_factory=list)
    """Reports of this batch's pictures, written now or earlier."""
    _latest: tuple[Job, FileReport] | None = None

    def paths(self, job: Job) -> dict[str, Path]:
        """Name the report, and its page."""
        return {"report": report_path(job.target), "report_page": report_page_path(job.target)}

    def report(self, made: Made) -> FileReport:
        """Make the report; of one picture, it is the same every time."""
        if self._latest is None or self._latest[0] != made.job:
            self._latest = made.job, self._report(made)  # not `made` itself: pictures are large
        return self._latest[1]

    def _report(self, made: Made) -> FileReport:
        job = made.job
        source = source_name(job) if job.source == PIPE else plain_name(job.source)
        command = shlex.join(["mapsr", "upscale", source, *self.options])
        signer = None if self.certificate is None else self.certificate.name
        return make_report(
            Naming(source, plain_name(job.target), command, self.asked, signer),
            made.originals,
            made.upscaled,
            made.data,
            made.report,
            self.upscaler,
            made.output,
            evidence(made.originals.pictures[0]),
            job.sample,
        )

    def files(self, made: Made) -> Iterator[tuple[Path, bytes]]:
        """Make the report, and its page."""
        report, paths = self.report(made), self.paths(made.job)
        yield paths["report"], report.to_json()
        yield paths["report_page"], report_page(report, plain_name(paths["report"])).encode()
        self.known.append(paths["report"])

    def signed(self, made: Made) -> bytes:
        """Return the picture's file, with the report in it and signed if there is a certificate. Raises MapsrError."""
        if self.certificate is None:
            return made.data
        source = None if made.job.source == PIPE else made.job.source
        return sign(made.data, source, self.report(made), self.certificate)

    def catch_up(self, job: Job) -> None:
        """Note the report of a picture that was there before, or that it has none: how it was made is not known."""
        if os.path.lexists(path := report_path(job.target)):
            self.known.append(path)
        else:
            say(f"note: {job.target} was there already, and has no report")

    def check(self, jobs: Sequence[Job], file_format: str | None, indexed: bool) -> None:
        """Raise MapsrError before the work for what would fail after it.

        That is a signature in a format that holds none, and with `indexed` an index that would replace another file.
        """
        if self.certificate is not None:
            for job in jobs:
                check_signable(file_format or output_format(job.target.name))
        if indexed and len(jobs) > 1:
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

"""A batch of files through one upscaler: one that fails does not end it."""

import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mapsr_cli.cli.companions import Companion, Made
from mapsr_cli.cli.paths import Job
from mapsr_cli.cli.progress import BatchProgress, progress_bar
from mapsr_cli.cli.report import complain, drop, evidence, guarantee, noise, result, say
from mapsr_cli.cli.sources import PIPE
from mapsr_cli.cli.streams import open_input
from mapsr_cli.errors import DiskFullError, FileError, MapsrError
from mapsr_cli.files import check_target, make_folder, write_bytes, write_error
from mapsr_cli.imaging import FrameProgress, Frames, Picture, output_format
from mapsr_cli.inference import Upscaler
from mapsr_cli.inference.files import Output, encode_file, load_file, upscale_frames
from mapsr_cli.inference.overlap import overlapped
from mapsr_cli.inference.report import UpscaleReport


def _pipe(data: bytes) -> None:
    """Write to standard output at once. Raises as `write_bytes` does; BrokenPipeError if the reader is gone."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        drop(sys.stdout)
        raise write_error("standard output", error) from error


DecodedFile = tuple[Frames, UpscaleReport]
"""An original, and how it was decoded."""
Computed = tuple[Frames, Frames, UpscaleReport]
"""An original, upscaled, and how that was done."""

Outcome = UpscaleReport | MapsrError | None
"""Of a job: how it was done, why it failed, or None where another run was faster."""


@dataclass
class Batch:
    """Runs jobs, reading, computing and writing at once, and collects what the JSON document says of them."""

    upscaler: Upscaler
    output: Output
    """Its format is that of pipes; a file's follows its name, unless `file_format` is given."""
    file_format: str | None = None
    overwrite: bool = False
    skip_existing: bool = False
    companions: Sequence[Companion] = ()
    """What is written beside each picture."""
    sign: Callable[[Made], bytes] | None = None
    """Makes of a picture's file the one that is written."""
    debug: bool = False
    quiet: bool = False
    results: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    skipped: int = 0
    full: bool = False

    def run(self, jobs: list[Job]) -> None:
        """Run every job; a MapsrError ends only its own, a full disk what is left of them."""
        self._warn()
        before, tried = len(self.failed), 0
        with progress_bar() as update:
            for job, outcome in self._upscaled(jobs, BatchProgress(update, len(jobs))):
                tried += outcome is not None
                if isinstance(outcome, MapsrError):
                    self.fail(job.source, outcome)
        self._sum_up(len(jobs), len(jobs) + before, len(jobs) - self.skipped - tried)

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {"results": self.results, "failed": self.failed}

    def _warn(self) -> None:
        strength = self.upscaler.settings.strength
        if strength < 1:
            say(f"note: --strength {strength:g}: the guarantee is off, results do not give their originals back")

    def _upscaled(self, jobs: list[Job], progress: BatchProgress) -> Generator[tuple[Job, Outcome]]:
        """Yield jobs with what came of each; a result is printed as soon as it is stored."""
        begun: set[Job] = set()

        def compute(job: Job, decoded: DecodedFile) -> Computed:
            begun.add(job)
            originals, decoding = decoded
            parts = sum(1 + (one.alpha is not None) + (len(one.levels) > 3) for one in originals.pictures)
            show = progress.start(job.source.name, parts)
            upscaled, upscaling = upscale_frames(originals, self.upscaler, show, job.sample)
            progress.working = False
            return originals, upscaled, decoding + upscaling

        def read(job: Job) -> DecodedFile:
            return self._read(job, progress.reading(job.source.name))

        for job, outcome in overlapped(self._due(jobs, progress), read, compute, self._store):
            if job not in begun:
                progress.skip()
            if outcome is None:
                self.skipped += 1
            yield job, outcome

    def _sum_up(self, files: int, inputs: int, left: int) -> None:
        if self.skipped:
            say(f"{self.skipped} of {files} files were there already")
        if inputs > 1 and self.failed:
            names = ", ".join(f["input"] for f in self.failed)
            say(f"{len(self.failed)} of {inputs} files failed: {names}" + (f"; {left} not tried" if left else ""))

    def _due(self, jobs: list[Job], progress: BatchProgress) -> Iterator[Job]:
        for job in jobs:
            if self.full:
                return
            if self.skip_existing and job.target != PIPE and os.path.lexists(job.target):
                self.skipped += 1
                self._catch_up(job)
                progress.skip()
            else:
                yield job

    def _read(self, job: Job, progress: FrameProgress) -> DecodedFile:
        if job.target != PIPE:
            self._check(job.target, *self._beside(job).values())
        return self._load(job, progress)

    def _load(self, job: Job, progress: FrameProgress = lambda done, total: None) -> DecodedFile:
        source = open_input() if job.source == PIPE else job.source
        return load_file(source, self._output_of(job), self.upscaler, progress)

    def _check(self, *targets: Path) -> None:
        """Raise FileError where one of them may not be written; make the folder that they go into."""
        for target in targets:
            check_target(target, self.overwrite or self.skip_existing)
        make_folder(targets[0].parent)

    def _output_of(self, job: Job) -> Output:
        if job.target == PIPE:
            return self.output
        return replace(self.output, file_format=output_format(self.file_format or job.target.name))

    def _store(self, job: Job, computed: Computed) -> UpscaleReport | None:
        """Encode, write and print; return None where another run was faster and --skip-existing is given."""
        originals, upscaled, report = computed
        output = self._output_of(job)
        data, report = encode_file(originals, upscaled, report, self.upscaler, output, job.sample)
        made = Made(job, originals, upscaled, data, report, output)
        data = data if self.sign is None else self.sign(made)
        if job.target == PIPE:
            _pipe(data)
            self._tell(job, originals.pictures[0], upscaled, report)
            return report
        try:
            for companion in self.companions:
                for path, beside in companion.files(made):
                    write_bytes(path, beside, self.overwrite or self.skip_existing)
            write_bytes(job.target, data, self.overwrite)
        except FileExistsError as error:
            if self.skip_existing:
                return None
            raise FileError(
                f"{job.target} was created by another process in the meantime", "--overwrite replaces it"
            ) from error
        self._tell(job, originals.pictures[0], upscaled, report)
        return report

    def _catch_up(self, job: Job) -> None:
        """Write what may be missing beside a picture that exists."""
        for companion in self.companions:
            try:
                companion.catch_up(job)
            except MapsrError as error:
                self.fail(job.source, error)

    def _beside(self, job: Job) -> dict[str, Path]:
        """Name what goes beside a picture, under its keys in the JSON document."""
        return {key: path for companion in self.companions for key, path in companion.paths(job).items()}

    def fail(self, source: Path, error: MapsrError) -> None:
        """Say that an input failed. Raises its error with `--debug`."""
        if self.debug:
            raise error
        complain(error)
        self.full = self.full or isinstance(error, DiskFullError)
        self.failed.append({"input": str(source), "error": str(error)})

    def _tell(self, job: Job, original: Picture, upscaled: Frames, report: UpscaleReport) -> None:
        kernel, settings = self.upscaler.kernel_for(original), self.upscaler.settings
        name, lossless = self.upscaler.model_for(original).card.name, self._output_of(job).lossless
        entry = {"input": str(job.source), "output": str(job.target), "model": name, "scale": kernel.scale}
        mixed = {} if settings.texture is None else {"texture": settings.texture}
        drawn = {"seed": settings.seed, "sample": job.sample} if self.upscaler.model.noise_dim else {}
        shown = {key: str(path) for key, path in self._beside(job).items()} if job.target != PIPE else {}
        count = len(upscaled.pictures)
        size = {"size": list(upscaled.size), **({"frames": count} if count > 1 else {})}
        taken = {"kernel": kernel.name, **evidence(original)}
        self.results.append({**entry, **taken, **mixed, **drawn, **shown, **size, **report.summary()})
        promised = settings.consistency == "bits" and settings.strength == 1
        exact = guarantee(job.source, job.target, report, lossless, promised)
        if not self.quiet and job.target != PIPE:
            pixels = "×".join(map(str, upscaled.size)) + (f" × {count} frames" if count > 1 else "")
            name += "" if settings.texture is None else f" at texture {settings.texture:g}"
            made = f"{name} {kernel.factor} {kernel.name}{noise(original)}"
            result(f"{job.target}  {pixels}, {made}, {exact}, {report.total:.1f} s")

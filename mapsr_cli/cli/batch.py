"""A batch of files through one upscaler: goes on past a bad file and says so at the end."""

import sys
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mapsr_cli.cli.paths import PIPE, Job, refuse_existing
from mapsr_cli.cli.report import complain, progress_bar, result, say
from mapsr_cli.errors import MapsrError, UsageError
from mapsr_cli.imaging import find_kernel, is_lossless, output_format, write_bytes
from mapsr_cli.inference import Settings, Upscaler
from mapsr_cli.inference.devices import choose_device, choose_dtype
from mapsr_cli.inference.files import Encoded, upscale_file
from mapsr_cli.inference.upscaler import ConsistencyLevel, Progress
from mapsr_cli.zoo import DEFAULT_MODEL, find_model, load_model


def make_upscaler(
    model: str | None,
    kernel: str | None,
    sigma: float | None,
    consistency: ConsistencyLevel,
    tile: str,
    device: str,
    precision: str,
) -> Upscaler:
    """The upscaler that the options of `mapsr upscale` describe."""
    loaded = load_model(find_model(model or DEFAULT_MODEL))
    a = None
    if kernel is not None or sigma is not None:
        a = find_kernel(kernel or loaded.kernel.name, loaded.kernel.scale, sigma)
    chosen = choose_device(device)
    return Upscaler(loaded, Settings(consistency, _tile(tile), chosen, choose_dtype(precision, chosen)), a)


def _tile(text: str) -> int | None:
    if text in ("auto", "off"):
        return None if text == "auto" else 0
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--tile takes auto, off or a number of pixels, not '{text}'")
    return int(text)


@dataclass
class Batch:
    """Runs jobs one after another and collects what the JSON document says of them."""

    upscaler: Upscaler
    file_format: str | None
    quality: int | None
    overwrite: bool
    skip_existing: bool
    debug: bool
    quiet: bool
    results: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)

    def run(self, jobs: list[Job]) -> None:
        """Every job; a MapsrError ends only its own."""
        with progress_bar() as progress:
            for job in jobs:
                if self.skip_existing and job.target.exists():
                    continue
                try:
                    self._one(job, partial(progress, job.source.name))
                except MapsrError as error:
                    if self.debug:
                        raise
                    complain(error)
                    self.failed.append({"input": str(job.source), "error": str(error)})
        if len(jobs) > 1 and self.failed:
            say(f"{len(self.failed)} of {len(jobs)} files failed: " + ", ".join(f["input"] for f in self.failed))

    def _one(self, job: Job, progress: Progress) -> None:
        piped = job.target == PIPE
        # To a pipe, the format has no file name to follow.
        written = output_format(self.file_format or ("png" if piped else job.target.name))
        if not piped:
            refuse_existing(job.target, self.overwrite)
        source = sys.stdin.buffer.read() if job.source == PIPE else job.source
        encoded = upscale_file(source, self.upscaler, written, self.quality, progress)
        if piped:
            sys.stdout.buffer.write(encoded.data)
        else:
            job.target.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(job.target, encoded.data)
        self._tell(job, encoded, is_lossless(written, self.quality))

    def _tell(self, job: Job, encoded: Encoded, lossless: bool) -> None:
        kernel, held = self.upscaler.kernel, encoded.upscaled.consistency
        name = self.upscaler.model.card.name
        entry = {"input": str(job.source), "output": str(job.target), "model": name, "scale": kernel.scale}
        self.results.append({**entry, "kernel": kernel.name, **encoded.summary()})
        if not lossless:
            say(f"note: {job.target} is lossy: the guarantee ends there, save as PNG to keep it")
        elif not held.holds and self.upscaler.settings.consistency == "bits":
            share = 100 * (1 - held.bit_exact)
            say(f"note: {job.target}: {share:.4f} % of the input's samples are {held.worst_levels} levels off at worst")
        if not self.quiet and job.target != PIPE:
            result(f"{job.target}  {self._sentence(encoded, lossless)}")

    def _sentence(self, encoded: Encoded, lossless: bool) -> str:
        kernel, up = self.upscaler.kernel, encoded.upscaled
        size = f"{up.levels.shape[-1]}×{up.levels.shape[-2]}"
        held = up.consistency
        exact = "gives its original back bit for bit" if held.holds else f"bit-exact {held.bit_exact:.2%}"
        name, seconds = self.upscaler.model.card.name, encoded.seconds["total"]
        return f"{size}, {name} ×{kernel.scale} {kernel.name}, {exact if lossless else 'lossy'}, {seconds:.1f} s"

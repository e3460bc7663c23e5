"""`mapsr upscale --samples`: every picture several times, a contact sheet, and a map of where the samples differ."""

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mapsr_cli.cli.batch import Batch, DecodedFile
from mapsr_cli.cli.error_maps import ErrorMaps
from mapsr_cli.cli.paths import Job, map_path, page_path, sheet_path, source_name
from mapsr_cli.cli.progress import BatchProgress, progress_bar
from mapsr_cli.cli.report import printable, result
from mapsr_cli.errors import MapsrError, UsageError, as_failure
from mapsr_cli.files import write_bytes
from mapsr_cli.imaging import FrameProgress
from mapsr_cli.inference import Upscaler
from mapsr_cli.inference.memory import within_memory
from mapsr_cli.operators import Agreement
from mapsr_cli.views.before_after import Compared, before_after, describe_consistency, facts_of
from mapsr_cli.views.sample_sheets import SampleFiles


def check_stochastic(upscaler: Upscaler) -> None:
    """Raise UsageError for a model that knows one answer only."""
    if not upscaler.model.noise_dim:
        raise UsageError(
            f"{upscaler.model.card.name} is deterministic: it has one answer, and no noise to seed",
            "--samples and --seed are for models trained with --noise-dim",
        )


@dataclass
class SampledBatch(Batch):
    """Runs each job `count` times; what its samples show together follows once they are written."""

    count: int = 2
    compare: bool = False
    """Whether a before/after page shows all samples of a picture."""
    error_maps: Sequence[ErrorMaps] = ()
    """What is written of each picture's samples together; none, or one."""
    sheets: list[dict[str, Any]] = field(default_factory=list)
    _latest: tuple[Path, DecodedFile] | None = None

    def run(self, jobs: list[Job]) -> None:
        """Run every job; a MapsrError ends only its own, a full disk what is left of them."""
        self._warn()
        before, tried = len(self.failed), 0
        with progress_bar() as update:
            progress = BatchProgress(update, len(jobs) * self.count)
            for job in jobs:
                if self.full:
                    break
                try:
                    self._sample(job, progress)
                except BrokenPipeError:
                    raise
                except Exception as error:
                    self.fail(job.source, as_failure(error))
                tried += 1
        self._sum_up(len(jobs) * self.count, len(jobs) + before, len(jobs) - tried)

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {**super().document(), "samples": self.sheets}

    def _sample(self, job: Job, progress: BatchProgress) -> None:
        parts, extras = job.samples(self.count), [sheet_path(job.target), map_path(job.target)]
        extras += [page_path(job.target)] if self.compare else []
        extras += [path for maps in self.error_maps for path in maps.paths(job).values()]
        if self.skip_existing and all(os.path.lexists(path) for path in (*(part.target for part in parts), *extras)):
            self.skipped += len(parts)
            progress.skip(len(parts))
            return
        self._check(*extras)
        measured = []
        with closing(self._upscaled(parts, progress)) as outcomes:
            for _, outcome in outcomes:
                if isinstance(outcome, MapsrError):
                    raise outcome
                measured += [outcome.consistency] if outcome else []
        progress.update(f"{job.source.name}: contact sheet and map", progress.begun, progress.total)
        files = tuple(part.target for part in parts)
        original, _ = self._load(parts[0])
        samples = SampleFiles(original, files, self.upscaler.size_of(original.pictures[0]))
        worst = _least(measured) if len(measured) == len(parts) else None
        doing = f"drawing the {self.count} samples side by side (they are written)"
        within_memory(partial(self._show, job, samples, worst), doing)

    def _load(self, job: Job, progress: FrameProgress = lambda done, total: None) -> DecodedFile:
        """Decode an input once for all its samples: a pipe cannot be read again."""
        if self._latest is None or self._latest[0] != job.source:
            self._latest = job.source, super()._load(job, progress)
        return self._latest[1]

    def _show(self, job: Job, samples: SampleFiles, worst: Agreement | None) -> None:
        """Write and tell what the samples show together. `worst`: what the worst of them gives back, where known."""
        card, seed = self.upscaler.model.card, self.upscaler.settings.seed
        title = f"{source_name(job)}: {self.count} samples of {card.name} x{card.scale}, seed {seed}"
        sheet, spread = sheet_path(job.target), map_path(job.target)
        write_bytes(sheet, samples.sheet(title))
        write_bytes(spread, samples.map(title))
        entry = {"input": str(job.source), "seed": seed, "files": [str(path) for path in samples.files]}
        overall, largest = samples.spread.summary()
        entry |= {"sheet": str(sheet), "map": str(spread), "spread_levels": overall, "largest_levels": largest}
        for maps in self.error_maps:
            for path, data in maps.draw(job, samples.sample, samples.spread.variance):
                write_bytes(path, data)
            entry |= {key: str(path) for key, path in maps.paths(job).items()}
        if self.compare:
            page = page_path(job.target)
            write_bytes(page, self._samples_page(job, samples, worst))
            entry["page"] = str(page)
        self.sheets.append(entry)
        if not self.quiet:
            result(f"{sheet}  {self.count} samples side by side")
            result(f"{spread}  where they differ: standard deviation {overall:.2f} levels, {largest:.1f} at most")

    def _samples_page(self, job: Job, samples: SampleFiles, worst: Agreement | None) -> bytes:
        labels = [f"sample {n}" for n in range(1, self.count + 1)]
        names = source_name(job), f"{printable(samples.files[0].name)} to {printable(samples.files[-1].name)}"
        compared = Compared(samples.first, samples.size, labels, samples.images, samples.busyness)
        overall, _ = samples.spread.summary()
        lead = f"{self.count} answers to one input, {overall:.2f} levels apart (standard deviation)."
        if worst is not None:
            lead += f" {describe_consistency('Each', worst, self.upscaler.kernel_for(samples.first))}"
        facts = facts_of(self.upscaler, samples.first, names, worst)
        return before_after(f"{self.count} samples of {names[0]}", lead, compared, facts).encode()


def _least(several: list[Agreement]) -> Agreement:
    """Return the worst of several."""
    return min(several, key=lambda one: (one.share, -one.worst))

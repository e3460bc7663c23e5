"""What a batch writes beside each picture."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mapsr_cli.cli.paths import Job, page_path, source_name
from mapsr_cli.cli.report import printable, wrote
from mapsr_cli.files import write_bytes
from mapsr_cli.imaging import Frames, Picture, read_frames
from mapsr_cli.inference import Upscaler
from mapsr_cli.inference.files import Output
from mapsr_cli.inference.report import UpscaleReport
from mapsr_cli.views.before_after import Compared, before_after, describe_consistency, facts_of
from mapsr_cli.views.comparison_page import comparison_page
from mapsr_cli.views.screen import as_image


@dataclass(frozen=True, eq=False)
class Made:
    """A picture that is about to be written."""

    job: Job
    originals: Frames
    upscaled: Frames
    data: bytes
    """The file."""
    report: UpscaleReport
    output: Output
    """What kind of file it is."""


class Companion(Protocol):
    """Files beside each picture. They are written before it, so that a picture that is there has them."""

    def paths(self, job: Job) -> dict[str, Path]:
        """Name the files, under their keys in the JSON document."""

    def files(self, made: Made) -> Iterator[tuple[Path, bytes]]:
        """Make the files."""

    def catch_up(self, job: Job) -> None:
        """Do what can be done for a picture that was there before. Raises MapsrError."""


@dataclass(frozen=True)
class BeforeAfter:
    """The page of `--compare`."""

    upscaler: Upscaler
    max_pixels: int
    """Of an original."""

    def paths(self, job: Job) -> dict[str, Path]:
        """Name the page."""
        return {"page": page_path(job.target)}

    def files(self, made: Made) -> Iterator[tuple[Path, bytes]]:
        """Make a page of what the file stores."""
        original, after = made.originals.pictures[0], made.upscaled.pictures[0]
        if not made.output.lossless:
            most = len(made.upscaled.pictures) * after.levels[0].numel()
            after = read_frames(made.data, max_pixels=most).pictures[0]
        shown = self._shown(original, after)
        compared = Compared(original, after.size, list(shown), lambda: map(as_image, shown.values()))
        names = source_name(made.job), printable(made.job.target.name)
        consistency = made.report.consistency
        facts = facts_of(self.upscaler, original, names, consistency)
        lead = describe_consistency(names[1], consistency, self.upscaler.kernel_for(original))
        yield page_path(made.job.target), before_after(names[1], lead, compared, facts).encode()

    def _shown(self, original: Picture, after: Picture) -> dict[str, Picture]:
        """Label what the page shows: the picture; where it has a texture, it and two other stops, from low to high."""
        texture = self.upscaler.settings.texture
        if texture is None:
            return {f"after: {self.upscaler.model_for(original).card.name}": after}
        stops = sorted({0.0, 0.5 if texture in (0, 1) else texture, 1.0})
        others = {stop: self.upscaler.at_texture(stop) for stop in stops if stop != texture}
        pictures = {stop: upscaler.upscale(original)[0] for stop, upscaler in others.items()}
        pictures[texture] = after
        return {f"texture {stop:g}" + (", the picture" if stop == texture else ""): pictures[stop] for stop in stops}

    def catch_up(self, job: Job) -> None:
        """Write the page of a picture that exists, unless it exists, too."""
        path = page_path(job.target)
        if not os.path.lexists(path):
            write_bytes(path, comparison_page([job.source, job.target], self.max_pixels).encode(), False)
            wrote(path)

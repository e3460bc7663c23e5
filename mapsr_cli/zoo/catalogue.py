"""The models that can be named: bundled, cached and published. No torch and no network."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mapsr_cli.errors import CheckpointError
from mapsr_cli.zoo.cache import cached_models
from mapsr_cli.zoo.manifest import read_card, read_manifest, weights_folder


@dataclass(frozen=True)
class Offer:
    """One model that can be named."""

    name: str
    """What `--model` takes."""
    where: Literal["bundled", "cached", "published"]
    """In the package, in the Hub's cache, or only on the Hub."""
    file: Path | None
    """None if it has yet to be fetched."""
    sha256: str | None
    """What the manifest says of the file."""
    size: int
    """Bytes."""
    scale: int
    """HR pixels per LR pixel."""
    kernel: str
    """A's name."""
    method: str
    """A row of the method table."""
    description: str
    """One line."""
    metrics: dict[str, Any]
    """Measured figures, with their protocol."""
    repo: str | None
    """On the Hub."""
    revision: str | None
    """Its commit there."""


def offers() -> Iterator[Offer]:
    """List every model of the manifest, then every one in the cache that can be read."""
    folder = weights_folder()
    for name, listed in read_manifest(folder).items():
        yield Offer(
            name=name,
            where="published" if listed.file is None else "bundled",
            file=folder / listed.file if listed.file else None,
            sha256=listed.sha256,
            size=listed.size,
            scale=listed.scale,
            kernel=listed.kernel,
            method=listed.method,
            description=listed.description,
            metrics=listed.metrics,
            repo=listed.repo,
            revision=listed.revision,
        )
    for cached in cached_models():
        try:
            card = read_card(cached.path)
        except CheckpointError:
            continue  # `mapsr models verify` says what is wrong with it
        yield Offer(
            name=str(cached.name),
            where="cached",
            file=cached.path,
            sha256=None,
            size=cached.path.stat().st_size,
            scale=card.scale,
            kernel=str(card.kernel["name"]),
            method=card.method,
            description=card.description,
            metrics=card.metrics,
            repo=cached.name.repo,
            revision=cached.commit,
        )

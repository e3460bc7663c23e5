"""`weights/manifest.json`: the models that this version knows. No torch: see `container`."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapsr_cli.errors import CheckpointError
from mapsr_cli.zoo import strict_json
from mapsr_cli.zoo.card import Card, parse_card, read_header
from mapsr_cli.zoo.container import opened, read_container
from mapsr_cli.zoo.names import RepoName, is_commit, parse_repo_name

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1
SUFFIX = ".safetensors"
_FILE_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*\.safetensors", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Listed:
    """One model of the manifest."""

    file: str | None
    """In the weights' folder; None for a model that is only on the Hub."""
    size: int
    """Bytes."""
    sha256: str
    """Of the file."""
    repo: str | None
    """On the Hub: `org/repo`; None until it is published."""
    revision: str | None
    """The commit there that has this very file."""
    description: str
    """One line."""
    scale: int
    """HR pixels per LR pixel."""
    kernel: str
    """A's name."""
    method: str
    """A row of the method table."""
    metrics: dict[str, Any]
    """Measured figures, with their protocol."""

    @property
    def pin(self) -> RepoName | None:
        """Where it is on the Hub."""
        return RepoName(self.repo, self.revision) if self.repo and self.revision else None


def weights_folder() -> Path:
    """Locate `weights/` in a checkout, `mapsr_cli/weights/` in an installed wheel."""
    package = Path(__file__).parents[1]
    installed = package / "weights"
    return installed if installed.is_dir() else package.parent / "weights"


def read_manifest(folder: Path) -> dict[str, Listed]:
    """Read the models that a folder's manifest lists, by name. Raises CheckpointError if it is damaged."""
    path = folder / MANIFEST
    try:
        content = strict_json.parse(path.read_bytes())
        if content["format"] != MANIFEST_VERSION:
            raise ValueError(f"format {content['format']!r:.20}")
        return {name: _listed(entry) for name, entry in content["models"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{path}: not a valid manifest ({error})", "install mapsr again") from error


def _listed(entry: dict[str, Any]) -> Listed:
    listed = Listed(**entry)
    if listed.file is not None and not _FILE_NAME.fullmatch(listed.file):
        raise ValueError("'file' is not the name of a file beside it")
    if not _SHA256.fullmatch(listed.sha256):
        raise ValueError("'sha256' is no SHA-256")
    if listed.repo is not None and (parse_repo_name(listed.repo) is None or not is_commit(str(listed.revision))):
        raise ValueError("'repo' and 'revision' are not a repository and a commit")
    return listed


def read_card(path: Path) -> Card:
    """Read a checkpoint's card without its tensors. Raises CheckpointError if it is damaged or no mapsr checkpoint."""
    with opened(path) as file:
        header, _ = read_header(read_container(file, path), path)
    return parse_card(header, path)


def model_files(folder: Path) -> list[Path]:
    """List a folder's checkpoints by name."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def sha256_of(path: Path) -> str:
    """Compute the SHA-256 of a file. Raises CheckpointError if it cannot be read."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

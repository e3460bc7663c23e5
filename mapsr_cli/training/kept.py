"""Folders of first stages, which the next run with the same settings uses again."""

import hashlib
import json
from pathlib import Path


def kept_folder(shelf: Path, name: str, *decisive: object) -> Path:
    """Return `shelf`/NAME-DIGEST; the digest is of all that decides what is in the folder, as plain JSON values."""
    identity = json.dumps(decisive, sort_keys=True)
    return shelf / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"

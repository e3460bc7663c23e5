"""Bring `weights/manifest.json` up to date with the files beside it, and note what has been published.

    python -m tools.manifest [--published natural-x4-affmse=ORG/REPO@COMMIT]

`mapsr models push` prints the commit.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from mapsr_cli.errors import CheckpointError
from mapsr_cli.files import write_bytes
from mapsr_cli.zoo.manifest import (
    MANIFEST,
    MANIFEST_VERSION,
    SUFFIX,
    Listed,
    read_card,
    read_manifest,
    sha256_of,
    weights_folder,
)
from mapsr_cli.zoo.names import RepoName, is_commit, parse_repo_name


def build_manifest(folder: Path, published: Mapping[str, RepoName]) -> dict[str, Listed]:
    """Build the manifest of a folder from its checkpoints, which must be named after their cards.

    A model's place on the Hub is not in its file: it is taken from `published` (name → repository at a commit), else
    from the manifest that is there, as long as the file is still the same. Models that are only on the Hub stay listed.
    """
    before = read_manifest(folder) if (folder / MANIFEST).exists() else {}
    models = {name: entry for name, entry in before.items() if entry.file is None}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        card = read_card(path)
        if card.name != path.stem:
            raise CheckpointError(f"{path}: the model in it calls itself {card.name}", f"name it {card.name}{SUFFIX}")
        digest, known = sha256_of(path), before.get(card.name)
        pin = known.pin if known is not None and known.sha256 == digest else None
        pin = published.get(card.name, pin)
        models[card.name] = Listed(
            file=path.name,
            size=path.stat().st_size,
            sha256=digest,
            repo=pin.repo if pin else None,
            revision=pin.revision if pin else None,
            description=card.description,
            scale=card.scale,
            kernel=card.kernel["name"],
            method=card.method,
            metrics=card.metrics,
        )
    return dict(sorted(models.items()))


def write_manifest(folder: Path, published: Mapping[str, RepoName]) -> Path:
    """Bring a folder's manifest up to date, whole or not at all."""
    models = build_manifest(folder, published)
    content = {"format": MANIFEST_VERSION, "models": {name: asdict(listed) for name, listed in models.items()}}
    path = folder / MANIFEST
    write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())
    return path


def _published(text: str) -> tuple[str, RepoName]:
    name, _, place = text.partition("=")
    repo = parse_repo_name(place)
    if repo is None or not is_commit(repo.revision):
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=ORG/REPO@COMMIT, with all 40 digits of the commit")
    return name, repo


def main() -> None:
    """Write the manifest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=weights_folder(), help="the folder")
    parser.add_argument("--published", type=_published, nargs="*", default=[], help="NAME=ORG/REPO@COMMIT")
    args = parser.parse_args()
    print(write_manifest(args.weights, dict(args.published)))


if __name__ == "__main__":
    main()

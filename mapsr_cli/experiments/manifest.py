"""Bring `weights/manifest.json` up to date with the files beside it, and note what has been published.

    python -m mapsr_cli.experiments.manifest [--published natural-x4-affmse=ORG/REPO@COMMIT]

`mapsr models push` prints the commit.
"""

import argparse
from pathlib import Path

from mapsr_cli.zoo.manifest import weights_folder, write_manifest
from mapsr_cli.zoo.names import RepoName, is_commit, parse_repo_name


def _published(text: str) -> tuple[str, RepoName]:
    name, _, place = text.partition("=")
    found = parse_repo_name(place)
    if found is None or not is_commit(found.revision):
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=ORG/REPO@COMMIT, with all 40 digits of the commit")
    return name, found


def main() -> None:
    """Write the manifest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=weights_folder(), help="the folder")
    parser.add_argument("--published", type=_published, nargs="*", default=[], help="NAME=ORG/REPO@COMMIT")
    args = parser.parse_args()
    print(write_manifest(args.weights, dict(args.published)))


if __name__ == "__main__":
    main()

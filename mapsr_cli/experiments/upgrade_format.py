"""Rewrite `natural-x4-affmse`, published in checkpoint format 1, in the format of today; its tensors stay as they are.

python -m mapsr_cli.experiments.upgrade_format weights/natural-x4-affmse.safetensors
"""

import argparse
import json
from pathlib import Path

from safetensors import safe_open

from mapsr_cli.experiments.publish import DESCRIPTION, LICENSE, NATURAL
from mapsr_cli.operators import make_kernel
from mapsr_cli.zoo import Card, describe_kernel, load_model
from mapsr_cli.zoo.card import HEADER
from mapsr_cli.zoo.manifest import write_manifest
from mapsr_cli.zoo.sealed import write_tensors


def upgrade(path: Path) -> Card:
    """Read format 1, write today's. Exits for a file that is not of format 1."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()[HEADER])
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    if header.pop("format") != 1:
        raise SystemExit(f"{path} is not of format 1")
    header["training"].pop("data", None)  # the card has one entry for each source
    kernel = make_kernel(*(header["kernel"][key] for key in ("name", "scale", "sigma")))
    described = {"kernel": describe_kernel(kernel), "description": DESCRIPTION, "license": LICENSE, "data": NATURAL}
    card = Card(**{**header, **described})
    write_tensors(path, tensors, card.to_header())
    return card


def main() -> None:
    """Upgrade, check that it loads, and bring the manifest up to date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="checkpoint of format 1")
    path = parser.parse_args().path
    upgrade(path)
    load_model(path)
    print(write_manifest(path.parent, {}))


if __name__ == "__main__":
    main()

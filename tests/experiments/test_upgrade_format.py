import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mapsr_cli.errors import CheckpointError
from mapsr_cli.experiments import publish, upgrade_format
from mapsr_cli.networks import Compact, CompactConfig
from mapsr_cli.zoo import load_model
from mapsr_cli.zoo.manifest import read_manifest

CONFIG = CompactConfig(channels=8, blocks=1)


def test_a_checkpoint_of_format_1_becomes_one_of_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = {name: value.half() for name, value in Compact(CONFIG).state_dict().items()}
    kernel = {"name": "bicubic", "scale": 4, "sigma": None, "phase": 1.5, "border": "symmetric"}
    header = {
        "format": 1, "name": "old", "architecture": "compact", "config": asdict(CONFIG), "kernel": kernel,
        "constraint": "affine", "method": "affmse", "training": {"steps": 7, "data": "T91"}, "metrics": {},
        "version": "0.1.0",
    }  # fmt: skip
    path = tmp_path / "old.safetensors"
    save_file(tensors, path, {"mapsr": json.dumps(header)})
    with pytest.raises(CheckpointError, match="format 1"):
        load_model(path)
    monkeypatch.setattr(sys, "argv", ["upgrade_format", str(path)])
    upgrade_format.main()
    card = load_model(path).card
    assert (card.name, card.training, card.data) == ("old", {"steps": 7}, publish.NATURAL)
    stored = load_file(path)
    assert stored.keys() == tensors.keys()
    assert all(stored[name].dtype == torch.float16 and torch.equal(stored[name], tensors[name]) for name in tensors)
    assert list(read_manifest(tmp_path)) == ["old"]
    with pytest.raises(SystemExit, match="not of format 1"):
        upgrade_format.main()

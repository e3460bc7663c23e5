import json
import sys
from pathlib import Path

import pytest
import torch

from mapsr_cli.zoo import load_model
from mapsr_cli.zoo.manifest import read_manifest
from tests.pictures import save, scene
from tools import publish


def test_noise_is_the_same_whenever_a_model_is_measured(tmp_path: Path, stochastic_model: Path) -> None:
    (tmp_path / "Tiny").mkdir()
    save(scene(48, 40), tmp_path / "Tiny" / "a.png")
    model = load_model(stochastic_model)
    first = publish.measure(model, tmp_path, ("Tiny",))
    torch.manual_seed(1)
    assert publish.measure(model, tmp_path, ("Tiny",)) == first


def test_a_run_is_published(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "weights.safetensors").write_bytes(tiny_model.read_bytes())
    (tmp_path / "valid" / "Tiny").mkdir(parents=True)
    save(scene(48, 40), tmp_path / "valid" / "Tiny" / "a.png")
    monkeypatch.setattr(
        sys, "argv",
        ["publish", "--run", str(tmp_path / "run"), "--name", "small", "--valid", str(tmp_path / "valid"),
         "--sets", "Tiny", "--weights", str(tmp_path)],
    )  # fmt: skip
    publish.main()
    said = json.loads(capsys.readouterr().out)
    model = load_model(tmp_path / "small.safetensors")
    assert model.card.name == "small"
    assert model.card.data == publish.NATURAL
    assert read_manifest(tmp_path)["small"].description == publish.DESCRIPTION
    assert model.card.metrics == said["metrics"]
    assert model.card.metrics["psnr_y"] == publish.measure(model, tmp_path / "valid", ("Tiny",))
    assert abs(model.card.metrics["cost_of_float16"]["Tiny"]) < 0.05

import json
import sys
from pathlib import Path

import pytest
import torch

from mapsr_cli.experiments import publish
from mapsr_cli.experiments.natural_x4_affmse import KERNEL, NETWORK, estimate
from mapsr_cli.networks import Compact
from mapsr_cli.operators import downsampling
from mapsr_cli.training.loop import Run, TrainConfig
from mapsr_cli.zoo import load_model
from tests.pictures import save, scene


def test_the_estimate_is_projected() -> None:
    lr = torch.rand(3, 9, 7)
    op = downsampling(KERNEL, (36, 28))
    network = Compact(NETWORK)
    assert torch.allclose(estimate(network, lr), op.pinv(lr), atol=1e-6)
    torch.nn.init.normal_(network.tail.weight)
    assert torch.allclose(op.down(estimate(network, lr)), lr, atol=1e-5)


def test_a_run_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(Compact(NETWORK), Compact(NETWORK), TrainConfig(), tmp_path / "run")
    run.state.step, run.state.seconds = 7, 90.0
    run.save()
    (tmp_path / "valid" / "Tiny").mkdir(parents=True)
    save(scene(48, 40), tmp_path / "valid" / "Tiny" / "a.png")
    monkeypatch.setattr(
        sys, "argv",
        ["publish", "--run", str(tmp_path / "run"), "--valid", str(tmp_path / "valid"), "--sets", "Tiny",
         "--weights", str(tmp_path)],
    )  # fmt: skip
    publish.main()
    said = json.loads(capsys.readouterr().out)
    card = load_model(tmp_path / "natural-x4-affmse.safetensors").card
    assert card.training["steps"] == 7
    assert card.training["minutes"] == 1.5
    assert card.metrics == said["metrics"]
    assert 10 < card.metrics["psnr_y"]["Tiny"] < 60
    assert abs(card.metrics["cost_of_float16"]["Tiny"]) < 0.01

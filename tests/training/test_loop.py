from pathlib import Path

import torch
from torch import nn

from mapsr_cli.networks import Compact, CompactConfig
from mapsr_cli.operators import downsampling, make_kernel
from mapsr_cli.training.data import Photographs
from mapsr_cli.training.loop import Run, TrainConfig, train
from tests.pictures import save, scene

OP = downsampling(make_kernel("bicubic", 4), (32, 32))
CONFIG = TrainConfig(minutes=1e9, batch=2, warmup=3)


def fresh(folder: Path, config: TrainConfig = CONFIG) -> Run:
    torch.manual_seed(0)
    network = CompactConfig(4, 8, 1)
    return Run(Compact(network), Compact(network), config, folder)


def photographs(folder: Path) -> Photographs:
    folder.mkdir(exist_ok=True)
    save(scene(64, 64), folder / "a.png")
    return Photographs(folder, 32)


def test_it_learns(tmp_path: Path) -> None:
    run, data = fresh(tmp_path / "run"), photographs(tmp_path / "data")
    batch = data.batch(run.rng, 2)
    losses = [float(run.step(batch, OP)) for _ in range(150)]
    assert losses[-1] < 0.9 * losses[0]


def test_resumes_exactly(tmp_path: Path) -> None:
    data = photographs(tmp_path / "data")
    whole = fresh(tmp_path / "whole")
    for _ in range(6):
        whole.step(data.batch(whole.rng, 2), OP)
    first = fresh(tmp_path / "parts")
    for _ in range(3):
        first.step(data.batch(first.rng, 2), OP)
    first.save()
    second = fresh(tmp_path / "parts")
    assert second.resume()
    assert second.state.step == 3
    for _ in range(3):
        second.step(data.batch(second.rng, 2), OP)
    for a, b in ((whole.network, second.network), (whole.average, second.average)):
        assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_nothing_to_resume(tmp_path: Path) -> None:
    assert not fresh(tmp_path).resume()


def test_the_rate_warms_up_and_falls(tmp_path: Path) -> None:
    run = fresh(tmp_path, TrainConfig(minutes=10, rate=1.0, warmup=10))
    rates = []
    for step, seconds in ((0, 0.0), (9, 1.0), (500, 300.0), (1000, 600.0)):
        run.state.step, run.state.seconds = step, seconds
        rates.append(run.rate())
    assert rates[0] < 0.11
    assert rates[1] > 0.99
    assert 0.4 < rates[2] < 0.6
    assert abs(rates[3] - 0.01) < 1e-9


def test_a_run_ends_logs_validates_and_saves(tmp_path: Path) -> None:
    run = fresh(tmp_path / "run", TrainConfig(minutes=0.01, batch=2, log_seconds=0.1, validate_seconds=0.2))
    lines: list[str] = []
    asked: list[nn.Module] = []

    def validate(network: nn.Module) -> dict[str, float]:
        asked.append(network)
        return {"psnr": 1.0}

    train(run, photographs(tmp_path / "data"), OP, validate, lines.append)
    assert run.fraction == 1.0
    assert any("loss" in line for line in lines)
    assert lines[-1].endswith("psnr 1.000")
    assert all(network is run.average for network in asked)
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["checkpoint.safetensors"]

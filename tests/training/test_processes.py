"""Two processes (gloo) learn what one learns from the same global batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mapsr_cli.errors import MapsrError, UsageError
from mapsr_cli.inference import devices
from mapsr_cli.training.processes import make_accelerator

SCRIPT = ["-m", "tests.training.two_processes"]
LAUNCH = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def losses(command: list[str]) -> tuple[int, list[float]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("losses"))
    _, processes, *values = line.split()
    return int(processes), [float(value) for value in values]


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT"])
def test_variables_of_a_launcher_that_are_no_numbers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty ones are as good as none."""
    monkeypatch.setenv(name, "")
    assert make_accelerator("cpu", "fp32").num_processes == 1
    monkeypatch.setenv(name, "first")
    with pytest.raises(UsageError, match=f"{name}=first is no number"):
        make_accelerator("cpu", "fp32")


def test_a_machine_where_torch_cannot_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(devices, "CPUINFO", "/nowhere/cpuinfo")
    with pytest.raises(MapsrError, match="there is no /nowhere/cpuinfo"):
        make_accelerator("cpu", "fp32")


@pytest.mark.slow
def test_the_loss_curves_agree(tmp_path: Path) -> None:
    one, alone = losses([*SCRIPT, str(tmp_path / "one")])
    two, together = losses([*LAUNCH, *SCRIPT, str(tmp_path / "two")])
    assert (one, two) == (1, 2)
    assert len(alone) == len(together) == 20
    assert max(abs(a - b) for a, b in zip(alone, together, strict=True)) < 1e-4 * max(alone)
    assert alone[-1] < alone[0]


@pytest.mark.slow
def test_one_process_speaks_for_all(photos: Path, tmp_path: Path) -> None:
    """`--json` is one document, and what is told is told once."""
    asked = ["train", "affmse", "--data", str(photos), "--out", str(tmp_path / "run"), "--steps", "2", "--json"]
    small = ["--set", "generator.channels=8", "--set", "generator.blocks=1", "--patch", "16", "--batch", "2"]
    command = [sys.executable, *LAUNCH, "-m", "mapsr_cli", *asked, *small, "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 2

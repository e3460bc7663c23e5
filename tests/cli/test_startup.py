import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mapsr_cli.cli.startup import heavy_imports
from mapsr_cli.imaging import write_picture

UPSCALE = """
import sys
from mapsr_cli.cli.app import app
app(["upscale", *sys.argv[1:]], standalone_mode=False)
print([name for name in sys.modules if name.count(".") < 2])
"""


def test_collects_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    with heavy_imports():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "0"  # whoever sets it knows why
    gc.unfreeze()


@pytest.mark.slow
def test_upscaling_imports_no_more_than_it_needs(tmp_path: Path, tiny_model: Path) -> None:
    write_picture(tmp_path / "a.png", torch.full((3, 9, 9), 100))
    command = [sys.executable, "-c", UPSCALE, str(tmp_path / "a.png"), "-m", str(tiny_model)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = done.stdout.splitlines()[-1]
    assert "'mapsr_cli.inference'" in imported
    for name in (
        "accelerate",
        "huggingface_hub",
        "matplotlib",
        "rich",
        "scipy",
        "sympy",
        "torch._dynamo",
        "torchmetrics",
    ):
        assert f"'{name}'" not in imported, name

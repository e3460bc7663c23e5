"""Every experiment from end to end, on synthetic pictures with networks that learn nothing."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from mapsr_cli.cli.reproduce import Name
from mapsr_cli.errors import UsageError
from mapsr_cli.experiments.images import faces, grass, natural
from mapsr_cli.experiments.order import Order
from mapsr_cli.experiments.registry import EXPERIMENTS
from mapsr_cli.training.loop import Status

Orders = Callable[..., Order]
CONSISTENT = 1e-13


def check_files(told: dict[str, Any], out: Path) -> str:
    """Everything that was promised is there; the page's text."""
    pages = [Path(name) for name in told["files"] if name.endswith(".md")]
    for name in told["files"]:
        assert Path(name).parent == out
        if name.endswith(".png"):
            with Image.open(name) as image:
                assert image.width > 400
        if name.endswith(".json"):
            kept = {key: value for key, value in told.items() if key != "files"}  # paths are this machine's
            assert json.loads(Path(name).read_text()) == json.loads(json.dumps(kept))
    (page,) = pages
    return page.read_text()


def never(name: str, status: Status) -> None:
    raise AssertionError(f"{name} was trained again")


@pytest.mark.slow
def test_faces(order: Orders) -> None:
    asked = order(trials=2)
    told = faces.figure2(asked)
    page = check_files(told, asked.out)
    assert all(first["psnr"] != second["psnr"] for first, second in told["rows"].values())  # of other seeds
    rows = {name: trials[1] for name, trials in told["rows"].items()}
    assert rows["exact"]["consistency_mse"] < CONSISTENT
    assert rows["none"]["consistency_mse"] > 1e-6
    assert rows["fitted"]["consistency_mse"] > CONSISTENT  # gaussian9's fitted A⁺ errs at the border
    assert rows["random"]["consistency_mse"] > 1e-6
    curves = [curve for trials in told["curves"].values() for curve in trials]
    assert len(curves) == 12
    assert all([moment["step"] for moment in curve] == [2, 4] for curve in curves)
    assert set(told["steps_to_psnr_of_none"]["none"]) <= {2, 4}
    assert f"{(told['rows']['exact'][0]['psnr'] + rows['exact']['psnr']) / 2:.2f} ±" in page
    told = faces.table2(asked)
    page = check_files(told, asked.out)
    assert "| AffMSE | 0.91 |" in page
    assert "1.6e-10" in page
    assert told["rows"]["affgan"]["consistency_mse"] < CONSISTENT
    assert told["rows"]["affgan"]["steps"] == told["rows"]["softgan"]["steps"] == 2
    check_files(faces.figure4(order(watch=never)), asked.out)


@pytest.mark.slow
def test_grass(order: Orders, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grass, "SIDE", 64)
    monkeypatch.setattr(grass, "ZOOM", 24)
    asked = order()
    told = grass.figure3(asked)
    page = check_files(told, asked.out)
    assert all(row["consistency_mse"] < CONSISTENT for row in told["rows"].values())
    assert set(told["rows"]) == {"aff-init", "affmse", "affgan", "affdg", "affll", "affgan-nonoise"}
    assert told["rows"]["aff-init"]["psnr"] != told["rows"]["affmse"]["psnr"]
    for energies, row in ((row["gradient_energies"], row) for name, row in told["rows"].items() if name != "aff-init"):
        assert len(energies) == len(list((data / "grass" / "valid").iterdir()))
        assert min(energies) - 1e-6 <= row["gradient_energy"] <= max(energies) + 1e-6
    assert f"**{told['bits']:.2f}**" in page
    assert set(told["noise"]) == {"affgan", "affgan-nonoise"}
    told = grass.figure7(order(watch=never))
    check_files(told, asked.out)
    assert told["switches"]["affdg"] == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
    assert told["denoiser_levels"] == sorted(told["denoiser_levels"], reverse=True)
    curves = [curve for trials in told["curves"].values() for curve in trials]
    assert all(math.isfinite(moment["ssim"]) for curve in curves for moment in curve)


@pytest.mark.slow
def test_natural(order: Orders) -> None:
    asked = order()
    told = natural.figure5(asked)
    check_files(told, asked.out)
    assert all(row["consistency_mse"] < CONSISTENT for row in told["rows"].values())
    assert told["stochastic"]["levels"] > 0
    assert told["stochastic"]["diversity_mse"] > 0
    told = natural.figure8(order(watch=never))
    check_files(told, asked.out)
    assert told["rows"]["affgan"]["steps"] == 2


def test_figures_5_and_8_show_other_images() -> None:
    truths = torch.arange(100)
    first, *others = (set(natural._block(truths, number).tolist()) for number in range(natural.BLOCKS))
    assert all(len(block) == natural.SHOWN for block in (first, *others))
    assert len(first.union(*others)) == natural.BLOCKS * natural.SHOWN


def test_the_command_knows_them_all() -> None:
    assert {name.value for name in Name} == EXPERIMENTS.keys()


@pytest.mark.parametrize("name", ["fig2", "table2", "fig4", "fig3", "fig7", "fig5", "fig8"])
def test_images_are_asked_for_before_anything_is_trained(name: str, order: Orders, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs images"):
        EXPERIMENTS[name].run(order(data=None, watch=never))
    for training in ("faces64", "grass", "natural"):
        shutil.copytree(data / training, tmp_path / training, ignore=shutil.ignore_patterns("valid*", "test*"))
    with pytest.raises(UsageError, match="not there"):
        EXPERIMENTS[name].run(order(data=tmp_path, watch=never))

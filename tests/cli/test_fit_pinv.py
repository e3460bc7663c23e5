from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mapsr_cli.imaging import read_picture
from mapsr_cli.operators import make_kernel
from mapsr_cli.zoo import load_pinv
from tests.cli.conftest import Mapsr
from tests.psfs import comet

KEYS = ["l1", "l2", "total", "penrose", "interior_mse", "border_mse", "condition", "steps", "seconds"]


def test_exact(mapsr: Mapsr) -> None:
    done = mapsr("fit-pinv", "--kernel", "gaussian9", "--method", "exact", "--json")
    assert done.code == 0
    assert done.stderr == ""
    assert list(done.json) == KEYS
    assert done.json["total"] == done.json["l1"] + done.json["l2"] <= 1e-20
    assert len(done.json["penrose"]) == 4
    assert done.json["condition"] == pytest.approx(2.57, abs=0.01)
    assert done.json["steps"] == 0
    assert done.json["seconds"] < 1


@pytest.mark.slow
def test_descent(mapsr: Mapsr) -> None:
    words = ("fit-pinv", "--steps", 60, "--taps", 3, "--scale", 3, "--sigma", 1.2, "--json")
    first, again, other = (mapsr(*words, "--seed", seed) for seed in (1, 1, 2))
    assert first.code == 0
    assert first.json["steps"] == 60
    assert first.json["total"] == again.json["total"] != other.json["total"]


def test_it_is_saved_and_drawn(mapsr: Mapsr, tmp_path: Path) -> None:
    weights, picture = tmp_path / "pinv.safetensors", tmp_path / "kernels.png"
    done = mapsr("fit-pinv", "--method", "exact", "--taps", 3, "-o", weights, "--picture", picture)
    assert done.code == 0
    assert "16 kernels of 3×3" in done.stdout
    assert done.stderr.endswith(f"wrote {weights}\nwrote {picture}\n")
    for option, path in (("-o", weights), ("--picture", picture)):
        refused = mapsr("fit-pinv", "--method", "exact", option, path)
        assert (refused.code, refused.stdout) == (1, "")
        assert f"{path} exists" in refused.stderr
    pinv, kernel = load_pinv(weights)
    assert kernel == make_kernel("gaussian9", 4)
    assert pinv.taps == 3
    assert read_picture(picture).levels.shape[0] == 3


@pytest.mark.parametrize("suffix", ["npy", "png"])
def test_measured_kernels(mapsr: Mapsr, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"psf.{suffix}"
    if suffix == "npy":
        np.save(path, comet())
    else:
        Image.fromarray((255 * comet() / comet().max()).astype(np.uint8)).save(path)
    done = mapsr("fit-pinv", "--kernel", f"file:{path}", "--method", "exact", "-o", tmp_path / "b.safetensors")
    assert done.code == 0
    assert f"file:{path.name}" in done.stdout
    assert load_pinv(tmp_path / "b.safetensors")[1].name == f"file:{path.name}"


def test_a_poor_inverse_is_remarked_on(mapsr: Mapsr) -> None:
    done = mapsr("fit-pinv", "--method", "exact", "--taps", 1, "--scale", 2, "--json")
    assert done.code == 0
    assert "no good inverse" in done.stderr
    assert done.json["interior_mse"] > 1e-6


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--kernel", "gauss"], 2, "unknown kernel"),
        (["--kernel", "file:none.npy"], 1, "none.npy"),
        (["--scale", "5"], 2, "scale 5"),
        (["--taps", "0"], 2, "taps"),
        (["--taps", "99"], 2, "taps"),
        (["--steps", "0"], 2, "steps"),
        (["--method", "guess"], 2, "method"),
        (["-o", "pinv.pt"], 2, "safetensors"),
        (["-o", "none/pinv.safetensors"], 2, "no folder"),
        (["--picture", "kernels.xyz"], 2, "xyz"),
        (["--kernel", "gaussian25", "--sigma", "4", "--method", "exact"], 1, "near-singular"),
    ],
)
def test_nonsense_is_refused_before_the_work(mapsr: Mapsr, words: list[str], code: int, says: str) -> None:
    done = mapsr("fit-pinv", *words)
    assert done.code == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_input_kernel_is_never_replaced(mapsr: Mapsr, tmp_path: Path) -> None:
    path = tmp_path / "psf.png"
    Image.fromarray((255 * comet() / comet().max()).astype(np.uint8)).save(path)
    before = path.read_bytes()
    (tmp_path / "link.png").symlink_to(path)
    for target in (path, tmp_path / "link.png"):
        done = mapsr("fit-pinv", "--kernel", f"file:{path}", "--method", "exact", "--picture", target, "--overwrite")
        assert done.code == 1
        assert "read by this command" in done.stderr
    assert path.read_bytes() == before

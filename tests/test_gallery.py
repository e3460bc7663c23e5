"""The gallery's scripts run, at a small size, and do what they say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

GALLERY = Path(__file__).parents[1] / "examples/gallery"
SAYS = {
    "project_a_picture": ("", r"gives the original back: True\nchanged by (\d+\.\d+) levels", ["projected.png"]),
    "train_a_method": ("3", r"3 steps, gives its original back: True", ["coffee_x4.png"]),
    "add_a_criterion": ("40", r"loss (0\.\d+) at first, (0\.\d+) at the end", []),
    "add_a_network": ("2", r"own:Wide, sees 3 pixels around, trained by affmae", ["run/weights.safetensors"]),
    "measure_a_kernel": ("3", r"10×10 taps.*error about [0-2]\.\d%, residual 0\.5\d levels", ["psf.npy"]),
    "read_a_spread_map": ("2", r"differ by (\d+\.\d) levels on average", ["sample_2.png", "spread.png"]),
}


def test_every_script_is_tried() -> None:
    assert {path.stem for path in GALLERY.glob("*.py")} == SAYS.keys()


@pytest.mark.parametrize("name", SAYS)
def test_a_script(name: str, tmp_path: Path) -> None:
    size, says, files = SAYS[name]
    words = [sys.executable, str(GALLERY / f"{name}.py"), str(tmp_path), *size.split()]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = re.search(says, done.stdout)
    assert told is not None, done.stdout
    assert all((tmp_path / file).is_file() for file in files)
    if name == "add_a_criterion":
        assert float(told[2]) < 0.97 * float(told[1])
    elif told.groups():
        assert float(told[1]) > 0


def test_the_readme_lists_them() -> None:
    assert set(re.findall(r"`gallery/(\w+)\.py`", (GALLERY.parent / "README.md").read_text("utf-8"))) == SAYS.keys()

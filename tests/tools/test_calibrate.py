"""The calibration of a model of the zoo, in place, and its coverage."""

import shutil
from pathlib import Path

from mapsr_cli.zoo import load_model
from tests.pictures import save, scene
from tools.calibrate import calibrate, chosen, coverages


def photos(folder: Path, seeds: range, family: str = "in") -> Path:
    folder.mkdir(exist_ok=True)
    for seed in seeds:
        save(scene(48, 48, seed, contrast=0.3 + 0.05 * (seed % 10)), folder / f"{family}_{seed:03}.png")
    return folder


def test_photographs_are_spread_over_their_families(tmp_path: Path) -> None:
    for family, count in (("bsds", 12), ("in", 3), ("t91", 4)):
        photos(tmp_path, range(count), family)
    names = [path.stem for path in chosen(tmp_path, {"bsds": 4, "in": 9})]
    assert names == ["bsds_001", "bsds_004", "bsds_007", "bsds_010", "in_000", "in_001", "in_002"]


def test_a_model_is_calibrated_in_place_and_covers_others(tiny_model: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(tiny_model, tmp_path / "model.safetensors"))
    calibrate(path, sorted(photos(tmp_path / "photos", range(12)).iterdir()), "12 scenes")
    bars = load_model(path).card.error_bars
    assert bars is not None
    assert (bars.images, bars.data) == (12, "12 scenes")
    (tmp_path / "sets").mkdir()
    photos(tmp_path / "sets" / "others", range(40, 46))
    found = coverages(path, tmp_path / "sets", 0.9)["others"]
    assert 0.85 < found["coverage"] < 0.97
    assert found["least"] <= found["coverage"] <= found["largest"]
    assert found["error_bar"] > 1

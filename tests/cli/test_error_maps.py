"""`mapsr upscale --error-map`: what is written, where, and when there can be none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from mapsr_cli.cli.companions import Made
from mapsr_cli.cli.error_maps import ErrorMaps
from mapsr_cli.cli.paths import Job
from mapsr_cli.errors import UsageError
from mapsr_cli.imaging import Frames, Picture, read_picture, write_picture
from mapsr_cli.inference import Upscaler
from mapsr_cli.inference.error_bars import error_map
from mapsr_cli.inference.files import Output
from mapsr_cli.inference.report import UpscaleReport
from mapsr_cli.operators import make_kernel
from mapsr_cli.views.deviation import Spread
from mapsr_cli.zoo import ErrorBars, load_model, rewrite_card
from tests.cli.conftest import Mapsr
from tests.pictures import lr_of, save, scene

LR = lr_of(scene(96, 80, contrast=0.6), make_kernel("bicubic", 4))
BARS = ErrorBars(
    (0.4, 0.5, 0.25), (0.5, 2.0, 3.5), (0.5, 0.9, 0.99), ((1, 1, 1), (2, 2.2, 2.5), (5, 6, 7)), 9, "scenes"
)
SAMPLED = replace(BARS, weights=(0.2, 0.3, 0.2, 0.5))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save(LR, tmp_path / "photo.png")


@pytest.fixture
def calibrated(tiny_model: Path, tmp_path: Path) -> Path:
    return with_bars(tiny_model, tmp_path / "calibrated.safetensors", BARS)


def with_bars(source: Path, target: Path, bars: ErrorBars) -> Path:
    rewrite_card(source, target, replace(load_model(source).card, error_bars=bars))
    return target


def grey(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        assert image.mode == "L"
        return np.array(image)


def test_the_map_is_that_of_the_file(mapsr: Mapsr, photo: Path, calibrated: Path) -> None:
    path = photo.with_name("bars.png")
    done = mapsr("upscale", photo, "-m", calibrated, "--error-map", path, "--json")
    assert done.code == 0
    made = read_picture(photo.with_name("photo_x4.png"))
    assert (grey(path) == error_map(made.levels, 255, BARS, 0.9)).all()
    with Image.open(photo.with_name("bars_drawn.png")) as drawn:
        assert drawn.mode == "RGB"
        assert drawn.width >= 640
    (told,) = done.json["results"]
    assert (told["error_map"], told["error_map_drawn"]) == (str(path), str(photo.with_name("bars_drawn.png")))
    assert done.json["error_bars"] == {"confidence": 0.9, "calibrated_on": "scenes", "images": 9}
    wider = photo.with_name("wider.png")
    mapsr("upscale", photo, "-m", calibrated, "--error-map", wider, "--confidence", 0.99, "--overwrite", "--tile", 16)
    assert (grey(wider) == error_map(made.levels, 255, BARS, 0.99)).all()
    assert (grey(wider) > grey(path)).all()


def test_a_batch_of_all_kinds_goes_to_a_folder(mapsr: Mapsr, photo: Path, calibrated: Path) -> None:
    alpha = torch.full((1, *LR.shape[-2:]), 255, dtype=torch.uint8)
    alpha[:, :8] = 0
    folder = photo.parent / "in"
    folder.mkdir()
    write_picture(folder / "clear.png", Picture(LR.byte(), alpha=alpha))
    write_picture(folder / "deep.png", Picture((LR * 257).to(torch.uint16), 65535))
    write_picture(folder / "grey.png", Picture(LR[:1].byte()))
    maps = photo.parent / "maps"
    words = ("upscale", folder, "-m", calibrated, "-o", photo.parent / "out", "--error-map", maps)
    assert mapsr(*words).code == 0
    names = [f"{kind}_x4_error{end}.png" for kind in ("clear", "deep", "grey") for end in ("", "_drawn")]
    assert sorted(path.name for path in maps.iterdir()) == names
    assert all(grey(maps / name).shape == (96, 80) for name in names[::2])
    clear = grey(maps / "clear_x4_error.png")
    made = read_picture(photo.parent / "out" / "clear_x4.png").alpha
    assert made is not None
    assert (clear[made[0].numpy() == 0] == 255).all()
    assert 0.1 < (clear == 255).mean() < 0.5
    again = mapsr(
        "upscale", folder, "-m", calibrated, "-o", photo.parent / "out", "--error-map", maps, "--skip-existing"
    )
    assert (again.code, again.stderr.count("files were there already")) == (0, 1)


@pytest.mark.parametrize("evidence", ["auto", "levels"])
def test_what_jpeg_took_is_not_covered(evidence: str, mapsr: Mapsr, photo: Path, calibrated: Path) -> None:
    jpeg = photo.with_name("lossy.jpg")
    with Image.open(photo) as image:
        image.save(jpeg)
    words = ("-m", calibrated, "--evidence", evidence, "--error-map", photo.parent)
    said = {path: mapsr("upscale", path, *words).stderr for path in (photo, jpeg)}
    assert [said[path].count("error bars do not cover what JPEG took") for path in (photo, jpeg)] == [0, 1]


def test_what_another_model_made_has_no_map(photo: Path, calibrated: Path, tiny_model: Path) -> None:
    upscaler = Upscaler(load_model(calibrated), restorer=load_model(tiny_model))
    maps = ErrorMaps(upscaler, photo.with_name("bars.png"), False, BARS, 0.9)
    original = Picture(LR.byte())
    for noise, written in ((0.0, 2), (3.0, 0)):
        originals = Frames((replace(original, noise=noise),))
        made = Made(Job(photo, photo.with_name("x.png")), originals, originals, b"", UpscaleReport(), Output("PNG"))
        if written:
            assert len(list(maps.files(made))) == written
        else:
            with pytest.raises(UsageError, match="has no calibrated error bars"):
                maps.files(made)


def test_samples_have_one_map(mapsr: Mapsr, photo: Path, stochastic_model: Path) -> None:
    model = with_bars(stochastic_model, photo.with_name("z.safetensors"), SAMPLED)
    refused = mapsr("upscale", photo, "-m", model, "--error-map", photo.with_name("bars.png"))
    assert refused.code == 2
    assert "spread of its samples" in refused.stderr
    path = photo.with_name("bars.png")
    done = mapsr("upscale", photo, "-m", model, "--error-map", path, "--samples", 3, "--json")
    assert done.code == 0
    samples = [read_picture(photo.with_name(f"photo_x4_{n}.png")) for n in (1, 2, 3)]
    spread = Spread()
    for sample in samples:
        spread.add(sample.levels.permute(1, 2, 0).numpy())
    assert (grey(path) == error_map(samples[0].levels, 255, SAMPLED, 0.9, variance=spread.variance)).all()
    assert done.json["samples"][0]["error_map"] == str(path)


def test_through_a_pipe_there_is_none(mapsr: Mapsr, photo: Path, calibrated: Path) -> None:
    path = photo.with_name("bars.png")
    done = mapsr("upscale", "-", "-o", "-", "-m", calibrated, "--error-map", path, stdin=photo.read_bytes())
    assert (done.code, done.stdout) == (2, "")
    assert "--error-map writes a file beside the output" in done.stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "no calibrated error bars"),
        (("-m", "{model}", "--scale", 2), "calibrated for bicubic"),
        (("-m", "{model}", "--kernel", "box"), "calibrated for bicubic"),
        (("-m", "{model}", "--strength", 0.5), "given back"),
        (("-m", "{model}", "--consistency", "none"), ""),
        (("-m", "{model}", "--confidence", 0.995), "0.99"),
    ],
)
def test_where_there_are_no_error_bars(
    words: tuple[object, ...], why: str, mapsr: Mapsr, photo: Path, calibrated: Path, tiny_model: Path
) -> None:
    given = [str(word).format(model=calibrated) for word in words] or ["-m", str(tiny_model)]
    done = mapsr("upscale", photo, *given, "--error-map", photo.with_name("bars.png"))
    assert done.code == 2
    assert why in done.stderr
    assert sorted(path.name for path in photo.parent.glob("*.png")) == ["photo.png"]


def test_nothing_is_replaced(mapsr: Mapsr, photo: Path, calibrated: Path) -> None:
    for name in ("photo.png", "photo_x4.png"):
        done = mapsr("upscale", photo, "-m", calibrated, "--error-map", photo.with_name(name), "--overwrite")
        assert done.code == 2
        assert "written twice, or is an input" in done.stderr
    path = photo.with_name("bars.png")
    path.write_bytes(b"mine")
    done = mapsr("upscale", photo, "-m", calibrated, "--error-map", path)
    assert done.code == 1
    assert path.read_bytes() == b"mine"
    assert not photo.with_name("photo_x4.png").exists()
    several = mapsr("upscale", photo, path, "-m", calibrated, "--error-map", photo.with_name("one.png"))
    assert several.code == 2
    assert "--error-map FOLDER" in several.stderr

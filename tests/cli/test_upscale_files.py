"""Any file a user may have, through `mapsr upscale` and `mapsr verify`."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mapsr_cli.imaging import Picture, read_frames, read_picture, write_picture
from mapsr_cli.operators import make_kernel
from tests.cli.conftest import Mapsr
from tests.imaging.test_decoding import raw_png
from tests.imaging.test_tags import photographed
from tests.pictures import HAS_AVIF, lr_of, save, scene

CASES = Path(__file__).parents[1] / "cases"

LR = lr_of(scene(96, 80, contrast=0.6), make_kernel("bicubic", 4)).byte()


def image(mode: str) -> Image.Image:
    colour = Image.fromarray(LR.permute(1, 2, 0).contiguous().numpy())
    if mode in ("RGBA", "LA"):
        colour = colour.convert(mode)
        colour.putalpha(Image.fromarray(LR[0].numpy()))
    return colour.quantize(64) if mode == "P" else colour.convert(mode)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "bmp", "jpg", "avif", "gif"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "CMYK", "LA", "RGBA"])
def test_what_comes_in_is_given_back(mapsr: Mapsr, tmp_path: Path, tiny_model: Path, suffix: str, mode: str) -> None:
    if suffix == "avif" and not HAS_AVIF:
        pytest.skip("this Pillow has no AVIF")
    source, target = tmp_path / f"in.{suffix}", tmp_path / "out.png"
    try:
        image(mode).save(source)
    except (OSError, ValueError):
        pytest.skip(f"Pillow writes no {mode} as {suffix}")
    done = mapsr("upscale", source, "-o", target, "-m", tiny_model, "--json")
    assert done.code == 0
    held = done.json["results"][0]["consistency"]
    checked = mapsr("verify", source, target, "--json")
    share, worst = ("inside", "worst_steps") if held.keys() >= {"inside"} else ("bit_exact", "worst_levels")
    assert checked.json[share] == held[share]
    assert checked.json[worst] == held[worst]
    if mode != "1":  # black and white dots are sharper than anything that A makes
        assert checked.code == 0
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "bmp"])
@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK"])
def test_what_goes_out_is_checked(mapsr: Mapsr, tmp_path: Path, tiny_model: Path, suffix: str, mode: str) -> None:
    source, target = tmp_path / "in.tif", tmp_path / f"out.{suffix}"
    image(mode).save(source)
    done = mapsr("upscale", source, "-o", target, "-m", tiny_model)
    if (suffix, mode) == ("bmp", "RGBA"):
        assert done.code == 1
        assert "BMP cannot hold" in done.stderr
        return
    assert mapsr("verify", source, target, "--kernel", "bicubic").code == 0
    if mode == "CMYK":
        assert ("converted from CMYK" in done.stderr) == (suffix != "tif")
        with Image.open(target) as written:
            assert written.mode == ("CMYK" if suffix == "tif" else "RGB")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_sixteen_bits(mapsr: Mapsr, tmp_path: Path, tiny_model: Path, channels: int, suffix: str) -> None:
    samples = torch.cat([LR, LR[:1]])[:channels].int() * 257 + torch.arange(20)[None, None] * 7
    source, target = tmp_path / "in.png", tmp_path / f"out.{suffix}"
    source.write_bytes(raw_png(samples.clamp(max=65535).to(torch.uint16), {1: 0, 2: 4, 3: 2, 4: 6}[channels]))
    done = mapsr("upscale", source, "-o", target, "-m", tiny_model)
    assert done.code == 0
    assert read_picture(target).peak == (255 if suffix == "webp" else 65535)
    assert ("reduced from 16 bits to 8" in done.stderr) == (suffix == "webp")
    assert mapsr("verify", source, target).code == 0


def test_profile_and_exif_come_along(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "in.jpg").write_bytes(photographed())
    assert mapsr("upscale", tmp_path / "in.jpg", "-m", tiny_model).code == 0
    with Image.open(tmp_path / "in_x4.png") as written:
        assert written.size == (32, 48)  # turned upright
        assert written.info["icc_profile"]
        assert written.getexif()[0x010E].startswith("Cat")
        assert written.getexif().get_ifd(0x8769)[0xA002] == 32
        assert 0x0112 not in written.getexif()


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_animations(mapsr: Mapsr, tmp_path: Path, tiny_model: Path, suffix: str) -> None:
    frames = [Image.fromarray(scene(12, 10, i).byte().permute(1, 2, 0).contiguous().numpy()) for i in range(3)]
    source, target = tmp_path / "in.gif", tmp_path / f"out.{suffix}"
    frames[0].save(source, save_all=True, append_images=frames[1:], duration=[30, 40, 50], loop=0)
    refused = mapsr("upscale", source, "-o", target, "-m", tiny_model)
    assert refused.code == 1
    assert "3 frames" in refused.stderr
    assert "mapsr upscale --animate takes them" in refused.stderr
    done = mapsr("upscale", source, "-o", target, "-m", tiny_model, "--animate", "--json")
    assert done.json["results"][0]["frames"] == 3
    read = read_frames(target)
    assert len(read.pictures) == 3
    assert read.durations == (() if suffix == "tif" else (30, 40, 50))
    checked = mapsr("verify", source, target, "--json")
    assert checked.json["bit_exact"] == done.json["results"][0]["consistency"]["bit_exact"]
    assert mapsr("upscale", source, "-o", tmp_path / "out.jpg", "-m", tiny_model, "--animate").code == 1


def test_bombs_go_off_only_when_asked(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> None:
    image("RGB").save(tmp_path / "in.png")
    done = mapsr("upscale", tmp_path / "in.png", "-m", tiny_model, "--max-pixels", 479)
    assert done.code == 1
    assert "--max-pixels 480" in done.stderr
    assert mapsr("upscale", tmp_path / "in.png", "-m", tiny_model, "--max-pixels", 480).code == 0
    assert mapsr("verify", tmp_path / "in.png", tmp_path / "in_x4.png", "--max-pixels", 480).code == 0
    assert mapsr("verify", tmp_path / "in.png", tmp_path / "in_x4.png", "--max-pixels", 479).code == 1


def test_what_a_lossy_file_gives_back_is_measured(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> None:
    image("RGB").save(tmp_path / "in.png")
    done = mapsr("upscale", tmp_path / "in.png", "-o", tmp_path / "out.jpg", "-m", tiny_model, "--json")
    held = done.json["results"][0]["consistency"]
    assert held["bit_exact"] < 1
    checked = mapsr("verify", tmp_path / "in.png", tmp_path / "out.jpg", "--json")
    assert checked.json["bit_exact"] == held["bit_exact"]


def test_downscale_takes_them_too(mapsr: Mapsr, tmp_path: Path) -> None:
    deep = Picture(
        (scene(48, 40).int() * 257).to(torch.uint16), 65535, alpha=torch.full((1, 48, 40), 9).to(torch.uint16)
    )
    write_picture(tmp_path / "hr.png", deep)
    assert mapsr("downscale", tmp_path / "hr.png", "-o", tmp_path / "lr.png").code == 0
    assert mapsr("verify", tmp_path / "lr.png", tmp_path / "hr.png", "--kernel", "bicubic").code == 0
    assert mapsr("downscale", tmp_path / "hr.png", "-o", tmp_path / "lr.jpg").code == 1
    done = mapsr("downscale", tmp_path / "hr.png", "-o", tmp_path / "lr.webp")
    assert done.code == 0
    assert "reduced" in done.stderr


def test_pipes_take_any_kind(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> None:
    buffer = io.BytesIO()
    image("RGBA").save(buffer, "WEBP", lossless=True, exact=True)
    done = mapsr("upscale", "-", "-o", "-", "-m", tiny_model, stdin=buffer.getvalue())
    with Image.open(io.BytesIO(done.data)) as written:
        assert written.mode == "RGBA"
        assert np.array(written).shape == (96, 80, 4)


def test_strength(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> None:
    image("RGBA").save(tmp_path / "in.png")
    done = mapsr("upscale", tmp_path / "in.png", "-m", tiny_model, "--strength", 0.5, "--json")
    assert done.code == 0
    assert done.stderr.splitlines() == [
        "note: --strength 0.5: the guarantee is off, results do not give their originals back"
    ]
    held = done.json["results"][0]["consistency"]
    assert held["bit_exact"] < 1
    assert held["mse_float"] > 1e-7
    with Image.open(tmp_path / "in.png") as original, Image.open(tmp_path / "in_x4.png") as written:
        small, large = (torch.from_numpy(np.array(i))[None, ..., 3] for i in (original, written))
    assert torch.equal(lr_of(large.float(), make_kernel("bicubic", 4)).byte(), small)  # alpha has no noise
    whole = mapsr("upscale", tmp_path / "in.png", "-m", tiny_model, "--strength", 1, "--overwrite")
    assert (whole.code, whole.stderr) == (0, "")
    assert mapsr("verify", tmp_path / "in.png", tmp_path / "in_x4.png").code == 0
    for words in (("--strength", "1.5"), ("--strength", "0.5", "--consistency", "none")):
        assert mapsr("upscale", tmp_path / "in.png", "-m", tiny_model, *words, "--overwrite").code == 2


@pytest.mark.parametrize(("suffix", "longest"), [("webp", 16_383), ("jpg", 65_500)])
def test_what_a_format_cannot_hold_is_refused_before_the_work(
    mapsr: Mapsr, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, longest: int
) -> None:
    def work(*_: object) -> None:
        raise AssertionError("it was upscaled")

    monkeypatch.setattr("mapsr_cli.cli.batch.upscale_frames", work)
    wide = save(torch.zeros(1, 1, longest // 4 + 1), tmp_path / "wide.png")
    done = mapsr("upscale", wide, "-o", tmp_path / f"out.{suffix}", "-m", tiny_model)
    assert done.code == 1
    assert f"holds at most {longest} a side" in done.stderr
    assert "save as PNG or TIFF" in done.stderr


def test_the_case_of_a_wide_picture(mapsr: Mapsr, tiny_model: Path, tmp_path: Path) -> None:
    done = mapsr("upscale", CASES / "wide_4200x4.png", "-o", tmp_path / "wide.webp", "-m", tiny_model)
    assert done.code == 1
    assert "16800×16 pixels" in done.stderr


def test_what_cannot_be_kept_is_one_note(mapsr: Mapsr, tiny_model: Path, tmp_path: Path) -> None:
    done = mapsr("upscale", CASES / "metadata.jpg", "-o", tmp_path / "a.webp", "-m", tiny_model)
    assert done.code == 0
    (note,) = [line for line in done.stderr.splitlines() if "cannot keep" in line]
    assert note.endswith("WebP cannot keep IPTC captions, the comment")

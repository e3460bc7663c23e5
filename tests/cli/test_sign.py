import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

c2pa = pytest.importorskip("c2pa")
pytest.importorskip("cryptography")

from PIL import Image  # noqa: E402

from mapsr_cli.imaging import read_picture  # noqa: E402
from mapsr_cli.operators import make_kernel  # noqa: E402
from mapsr_cli.reports.document import parse_report, read_report  # noqa: E402
from mapsr_cli.reports.signing import REPORT, read_signature  # noqa: E402
from tests.certificates import KEYS, Issued, issue  # noqa: E402
from tests.cli.conftest import Mapsr  # noqa: E402
from tests.pictures import HAS_AVIF, lr_of, save, scene  # noqa: E402

LR = lr_of(scene(96, 80), make_kernel("bicubic", 4))


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Issued:
    return issue(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save(LR, tmp_path / "photo.png")


def manifest(path: Path) -> tuple[dict[str, Any], str]:
    """The active manifest, and whether it is valid."""
    with c2pa.Reader(str(path)) as reader:
        stored, state = json.loads(reader.json()), reader.get_validation_state()
    return stored["manifests"][stored["active_manifest"]], state


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg", "avif"])
def test_a_signed_file_and_its_report(mapsr: Mapsr, photo: Path, tiny_model: Path, issued: Issued, suffix: str) -> None:
    if suffix == "avif" and not HAS_AVIF:
        pytest.skip("this Pillow has no AVIF")
    target = photo.with_name(f"big.{suffix}")
    words = ("upscale", photo, "-o", target, "-m", tiny_model, "--report")
    assert mapsr(*words).code == 0
    unsigned = read_picture(target).levels
    assert mapsr(*words, "--sign", issued.chain, "--sign-key", issued.key, "--overwrite").code == 0
    assert read_picture(target).levels.equal(unsigned)

    stored, state = manifest(target)
    assert state == "Valid"
    assert stored["signature_info"]["common_name"] == "Archive of Tests"
    assert [ingredient["title"] for ingredient in stored["ingredients"]] == ["photo.png"]
    assertions = {entry["label"]: entry["data"] for entry in stored["assertions"]}
    opened, enlarged = assertions["c2pa.actions.v2"]["actions"]
    assert (opened["action"], enlarged["action"]) == ("c2pa.opened", "c2pa.resized")
    assert enlarged["digitalSourceType"].endswith("/algorithmicallyEnhanced")
    report = read_report(target.with_suffix(".json"))
    assert parse_report(assertions[REPORT]["report"].encode(), "it") == report
    assert (report.result.signed_by, report.seal) == ("Archive of Tests", assertions[REPORT]["report_sha256"])

    again = mapsr("redo", target.with_suffix(".json"), "-m", tiny_model, "--json")
    assert (again.code, again.json["same"]) == (0, True)
    assert (again.json["beside"]["same"], again.json["beside"]["signature"]) == (True, "valid")


@pytest.mark.parametrize("kind", KEYS)
def test_kinds_of_keys(mapsr: Mapsr, photo: Path, tiny_model: Path, tmp_path: Path, kind: str) -> None:
    issued = issue(tmp_path, kind)
    both = tmp_path / "both.pem"
    both.write_bytes(issued.chain.read_bytes() + issued.key.read_bytes())
    assert mapsr("upscale", photo, "-m", tiny_model, "--sign", both).code == 0
    assert manifest(tmp_path / "photo_x4.png")[1] == "Valid"
    assert not (tmp_path / "photo_x4.json").exists()


def test_what_was_changed_afterwards_is_told(mapsr: Mapsr, photo: Path, tiny_model: Path, issued: Issued) -> None:
    words = ("upscale", photo, "-m", tiny_model, "--report", "--sign", issued.chain, "--sign-key", issued.key)
    assert mapsr(*words).code == 0
    target, report = photo.with_name("photo_x4.png"), photo.with_name("photo_x4.json")
    data = bytearray(target.read_bytes())
    data[-60] ^= 1
    target.write_bytes(data)
    changed = mapsr("redo", report, "-m", tiny_model)
    assert (changed.code, "the signature is missing, broken or of another report" in changed.stderr) == (1, True)
    with Image.open(photo) as image:
        image.resize((80, 96)).save(target)
    unsigned = mapsr("redo", report, "-m", tiny_model)
    assert (unsigned.code, "the signature is missing" in unsigned.stderr) == (1, True)
    assert read_signature(target) is None


def test_a_report_of_another_signature_is_told(mapsr: Mapsr, photo: Path, tiny_model: Path, issued: Issued) -> None:
    """Somebody who changes a report and computes its seal anew has no signature of it."""
    words = ("upscale", photo, "-m", tiny_model, "--report", "--sign", issued.chain, "--sign-key", issued.key)
    assert mapsr(*words).code == 0
    path = photo.with_name("photo_x4.json")
    report = read_report(path)
    path.write_bytes(replace(report, notes=("nothing to see",)).to_json())
    forged = mapsr("redo", path, "-m", tiny_model)
    assert (forged.code, "of another report" in forged.stderr) == (1, True)


def test_what_cannot_sign_is_refused_before_the_work(
    mapsr: Mapsr, photo: Path, tiny_model: Path, tmp_path: Path, issued: Issued
) -> None:
    (other := tmp_path / "other").mkdir()
    expired, hidden = issue(other, days=-1), issue(tmp_path, "es384", password=b"secret")
    for words, says in (
        ((issued.chain, tmp_path / "none.key"), "cannot read"),
        ((issued.chain, issued.chain), "are no certificate and private key"),
        ((photo, photo), "are no certificate and private key"),
        ((issued.chain, expired.key), "cannot sign"),
        ((expired.chain, expired.key), "cannot sign"),
        ((hidden.chain, hidden.key), "is protected by a password"),
    ):
        refused = mapsr("upscale", photo, "-m", tiny_model, "--sign", words[0], "--sign-key", words[1])
        assert (refused.code, says in refused.stderr) == (1, True), refused.stderr
    signed = ("--sign", issued.chain, "--sign-key", issued.key)
    assert "BMP files hold no signature" in mapsr("upscale", photo, "-m", tiny_model, "--format", "bmp", *signed).stderr
    assert mapsr("upscale", photo, "-m", tiny_model, "--sign-key", issued.key).code == 2
    assert not photo.with_name("photo_x4.png").exists()


def test_without_the_optional_package(
    mapsr: Mapsr, photo: Path, tiny_model: Path, issued: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("upscale", photo, "-m", tiny_model, "--report", "--sign", issued.chain, "--sign-key", issued.key)
    assert mapsr(*words).code == 0
    monkeypatch.setitem(sys.modules, "c2pa", None)
    refused = mapsr(*words, "--overwrite")
    assert (refused.code, "[c2pa]" in refused.stderr) == (1, True)
    again = mapsr("redo", photo.with_name("photo_x4.json"), "-m", tiny_model)
    assert (again.code, "was not checked" in again.stderr) == (0, True)

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from mapsr_cli.errors import ReportError
from mapsr_cli.imaging import Frames, Picture
from mapsr_cli.inference import Settings, SizeRequest, Upscaler
from mapsr_cli.inference.files import Output, encode_file, upscale_frames
from mapsr_cli.operators import make_kernel
from mapsr_cli.reports.document import FileReport, parse_report, read_report
from mapsr_cli.reports.writing import Naming, make_report
from mapsr_cli.zoo import load_model
from tests.pictures import lr_of, scene
from tools import report_schema

SCHEMA = json.loads(report_schema.FILE.read_text("utf-8"))


@pytest.fixture(scope="module")
def report(tiny_model: Path) -> FileReport:
    upscaler = Upscaler(load_model(tiny_model), Settings(size=SizeRequest(fit=(50, 50))))
    originals = Frames((Picture(lr_of(scene(48, 40), make_kernel("bicubic", 4)).byte(), sha256="0" * 64),))
    upscaled, done = upscale_frames(originals, upscaler)
    data, done = encode_file(originals, upscaled, done, upscaler, output := Output("PNG"))
    naming = Naming("small.png", "large.png", "mapsr upscale small.png", "")
    return make_report(naming, originals, upscaled, data, done, upscaler, output, {"evidence": "levels"})


def test_what_is_written_is_read_back(report: FileReport) -> None:
    assert parse_report(report.to_json(), "it").to_json() == report.to_json()


def test_it_fits_the_published_schema(report: FileReport) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.check_schema(SCHEMA)
    written = json.loads(report.to_json())
    validator.validate(written)
    for name in SCHEMA["required"]:
        assert not validator.is_valid({key: value for key, value in written.items() if key != name})
    assert not validator.is_valid({**written, "more": 1})
    assert not validator.is_valid({**written, "settings": {**written["settings"], "strength": "much"}})


def test_the_published_schema_is_that_of_the_code() -> None:
    """If not: python -m tools.report_schema."""
    assert report_schema.schema() == SCHEMA


def test_everything_in_the_schema_is_explained() -> None:
    plain = {"architecture", "description", "device_name", "processor", "system"}
    plain |= {"original", "result", "model", "promise"}
    for kind in (SCHEMA, *SCHEMA["$defs"].values()):
        assert kind["description"]
        assert {name for name, entry in kind["properties"].items() if "description" not in entry} <= plain


def test_every_changed_bit_is_told(report: FileReport) -> None:
    data = report.to_json()
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        with pytest.raises(ReportError):
            parse_report(bytes(changed), "it")


def test_anybody_can_check_its_seal(report: FileReport) -> None:
    text = report.to_json().decode()
    stated = re.findall(r'"report_sha256": "(\w{64})"', text)
    blank = text.replace(stated[0], "0" * 64)
    assert [hashlib.sha256(blank.encode()).hexdigest()] == stated


def test_another_seal_in_the_text_does_not_mislead(report: FileReport) -> None:
    """A note may hold anything, also what looks like the seal."""
    odd = replace(report, notes=('"report_sha256": "' + "1" * 64 + '"',))
    assert parse_report(odd.to_json(), "it").notes == odd.notes


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is no report of mapsr's"),
        (b"[]", "is no report of mapsr's"),
        (b'{"a": 1}', "is no report of mapsr's"),
        (b"\xff\xfe", "is no report of mapsr's"),
        (b'{"mapsr_report": 2, "report_sha256": ""}', "a report of format 2; this mapsr reads 1"),
        (b'{"mapsr_report": 1, "report_sha256": ""}', "was changed since it was written"),
        (b'{"mapsr_report": 1, "report_sha256": null}', "was changed since it was written"),
        (b'{"mapsr_report": 1, "report_sha256": "0', "was changed since it was written"),
    ],
)
def test_what_is_no_report(tmp_path: Path, content: bytes, says: str) -> None:
    (path := tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ReportError, match=says):
        read_report(path)
    with pytest.raises(ReportError, match="cannot read"):
        read_report(tmp_path / "none.json")

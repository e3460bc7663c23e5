"""The page of a report, and the index of a batch."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mapsr_cli.imaging import Frames, Picture
from mapsr_cli.inference import Upscaler
from mapsr_cli.inference.files import Output, encode_file, upscale_frames
from mapsr_cli.operators import make_kernel
from mapsr_cli.reports.document import FileReport
from mapsr_cli.reports.index import Index, IndexEntry, NotMade
from mapsr_cli.reports.writing import Naming, make_report
from mapsr_cli.views.report_page import index_page, report_page
from mapsr_cli.zoo import load_model
from tests.pictures import lr_of, scene
from tests.views.browser import MISSING, WHY, Browser, browsing


@pytest.fixture(scope="module")
def report(tiny_model: Path) -> FileReport:
    upscaler, output = Upscaler(load_model(tiny_model)), Output("PNG")
    originals = Frames((Picture(lr_of(scene(48, 40), make_kernel("bicubic", 4)).byte(), sha256="0" * 64),))
    upscaled, done = upscale_frames(originals, upscaler)
    data, done = encode_file(originals, upscaled, done, upscaler, output)
    naming = Naming("<b>&.png", "<i>'\".png", "mapsr upscale '<b>&.png'", "")
    return make_report(naming, originals, upscaled, data, done, upscaler, output, {"evidence": "levels"})


def test_names_and_notes_cannot_be_markup(report: FileReport) -> None:
    html = report_page(replace(report, notes=("<script>alert(1)</script>",)), "<u>.json")
    assert not {tag for tag in ("<b>", "<i>", "<u>", "<script>alert") if tag in html}
    assert "&lt;b&gt;&amp;.png was upscaled from 10 × 12 pixels to 40 × 48" in html


def test_everything_that_can_be_checked_is_on_the_page(report: FileReport) -> None:
    html = report_page(report, "it.json")
    hashes = (report.original.sha256, report.result.sha256, report.result.samples_sha256, report.model.sha256)
    for text in (
        *hashes,
        report.kernel["sha256"],
        report.machine.code_sha256,
        "mapsr redo it.json",
        "Nobody has signed",
    ):
        assert text in html
    assert "Picture and report are signed with the certificate of an &lt;archive&gt;." in report_page(
        replace(report, result=replace(report.result, signed_by="an <archive>")), "it.json"
    )


@pytest.mark.parametrize(
    ("kept", "says"),
    [(True, "What was promised holds"), (False, "does not hold for every sample"), (None, "Promised was")],
)
def test_the_first_sentence_says_whether_it_holds(report: FileReport, kept: bool | None, says: str) -> None:
    assert says in report_page(replace(report, promise=replace(report.promise, kept=kept)), "it.json")


ENTRY = IndexEntry("a b/<x>_x4.json", "1" * 64, "a b/<x>_x4.png", "2" * 64, "<x>.png", "3" * 64, "tiny", None)


def test_an_index_leads_to_files_whatever_their_names() -> None:
    html = index_page(Index((ENTRY,), (NotMade("<bad>.png", "no picture"),)))
    assert 'href="a%20b/%3Cx%3E_x4_report.html"' in html
    assert "&lt;bad&gt;.png: no picture" in html
    assert "<x>" not in html


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.skipif(MISSING, reason=WHY)
def test_pages_fit_the_window(browser: Browser, report: FileReport, tmp_path: Path) -> None:
    for name, html in (("a", report_page(report, "it.json")), ("b", index_page(Index((ENTRY,) * 3)))):
        (path := tmp_path / f"{name}.html").write_text(html, "utf-8")
        browser.open(path)
        width, seen = browser.run("const e = document.documentElement; return [e.scrollWidth, e.clientWidth]")
        assert width <= seen
    browser.open(tmp_path / "a.html")
    taps = browser.run("const d = document.querySelector('details'); d.open = true; return d.innerText")
    assert len(taps.split()) == 1 + len(report.kernel["taps"])

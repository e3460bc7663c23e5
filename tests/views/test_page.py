"""The slider in a browser: what the mouse and the keys do, and what is then on the screen."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mapsr_cli.views.slider import page, slider
from tests.views.browser import MISSING, WHY, Browser, browsing
from tests.views.test_slider import BLUE, GREY, RED, VIEWS

pytestmark = [pytest.mark.slow, pytest.mark.skipif(MISSING, reason=WHY)]

ARROW_RIGHT, TAB = "\ue014", "\ue004"
DIVIDER = 0.02  # of the width: two pixels and their shadow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as opened:
        yield opened


@pytest.fixture
def shown(browser: Browser, tmp_path: Path) -> Browser:
    """A page with one slider, red on the left, blue on the right, 100 pixels enlarged to 200."""
    path = tmp_path / "page.html"
    path.write_text(page("test", slider("flat", VIEWS, right=1)), "utf-8")
    browser.prefer("light")
    browser.open(path)
    return browser


def box(browser: Browser) -> tuple[int, int, int, int]:
    """Left, top, width and height of what shows of the pictures."""
    edges = browser.run(
        "const b = document.querySelector('.stage').getBoundingClientRect(); return [b.left, b.top, b.width, b.height]"
    )
    left, top, width, height = map(round, edges)
    return left, top, width, height


def shares(browser: Browser, *colours: tuple[int, int, int]) -> list[float]:
    """How much of the pictures' middle row is of each colour."""
    left, top, width, height = box(browser)
    row = browser.screenshot()[:, top + height // 2, left : left + width]
    return [float((row == _column(colour)).all(0).float().mean()) for colour in colours]


def _column(colour: tuple[int, int, int]) -> Tensor:
    return torch.tensor(colour, dtype=torch.float32)[:, None]


def focus(browser: Browser, what: str) -> None:
    browser.run(f"document.querySelector('{what}').focus()")


def test_it_starts_half_and_half(shown: Browser) -> None:
    assert shown.messages() == []
    assert box(shown)[2:] == (200, 200)
    assert shares(shown, RED, BLUE) == pytest.approx([0.5, 0.5], abs=DIVIDER)
    assert shown.run("return [...document.querySelectorAll('.tag')].map(tag => tag.textContent)") == ["red", "blue"]


def test_the_mouse_moves_the_divider(shown: Browser) -> None:
    left, top, width, height = box(shown)
    shown.drag((left + 0.5 * width, top + height / 2), (left + 0.8 * width, top + 5))
    assert shares(shown, RED, BLUE) == pytest.approx([0.8, 0.2], abs=DIVIDER)
    shown.press(*[ARROW_RIGHT] * 10)  # goes on where the mouse left it
    assert shares(shown, RED, BLUE) == pytest.approx([0.85, 0.15], abs=DIVIDER)


def test_everything_is_reached_by_keys(shown: Browser) -> None:
    reached = []
    for _ in range(5):
        shown.press(TAB)
        reached.append(shown.run("const e = document.activeElement; return e.tagName + (e.type || '')"))
    assert reached == ["SELECTselect-one"] * 3 + ["BUTTONbutton", "INPUTrange"]


def test_keys_zoom_about_the_middle(shown: Browser) -> None:
    focus(shown, "input")
    shown.press("+", "+", "+", "+")
    assert shown.run("return document.querySelector('.canvas').clientWidth") == 800
    scrolled = shown.run("const s = document.querySelector('.stage'); return [s.scrollTop, s.clientHeight, s.tabIndex]")
    assert scrolled[0] + scrolled[1] / 2 == pytest.approx(400, abs=2)
    assert scrolled[2] == 0  # what scrolls can be scrolled by keys
    assert shares(shown, RED, BLUE) == pytest.approx([0.5, 0.5], abs=DIVIDER)
    shown.press("-", "-", "-")
    assert box(shown)[2:] == (100, 100)


def test_the_difference(shown: Browser) -> None:
    focus(shown, "input")
    shown.press("d")
    assert shown.run("return document.querySelector('button').ariaPressed") == "true"
    assert shares(shown, (255, 0, 255)) == [1.0]  # |red − blue| × 8, clipped
    shown.run("const s = document.querySelector('select'); s.value = 2; s.dispatchEvent(new Event('change'))")
    assert shares(shown, (80, 80, 255)) == [1.0]  # |grey − blue| = (10, 10, 190)
    shown.press("d")
    assert shares(shown, GREY, BLUE) == pytest.approx([0.5, 0.5], abs=DIVIDER)


def test_choosing_what_the_other_side_shows_swaps_them(shown: Browser) -> None:
    shown.run("const s = document.querySelector('select'); s.value = 1; s.dispatchEvent(new Event('change'))")
    assert shares(shown, BLUE, RED) == pytest.approx([0.5, 0.5], abs=DIVIDER)
    assert shown.run("return [...document.querySelectorAll('select')].map(s => s.value)") == ["1", "0", "fit"]
    assert shown.run("return document.querySelector('.tag.left').textContent") == "blue"


def test_light_and_dark(shown: Browser) -> None:
    assert float(shown.screenshot()[:, -1, -1].mean()) > 250
    shown.prefer("dark")
    assert float(shown.screenshot()[:, -1, -1].mean()) < 40


def test_the_browser_fetches_nothing(shown: Browser, tmp_path: Path) -> None:
    path = tmp_path / "outside.html"
    path.write_text(page("test", '<img src="file:///nowhere.png">'), "utf-8")
    shown.messages()
    shown.open(path)
    assert any("Content Security Policy" in message for message in shown.messages())

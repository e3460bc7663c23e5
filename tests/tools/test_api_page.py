"""The page on Python says what the docstrings say."""

import mapsr_cli
from tools.api_page import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert page() == PAGE.read_text("utf-8"), "python -m tools.api_page writes docs/api.md anew"


def test_everything_public_is_on_it() -> None:
    text = page()
    assert all(f"`{name}`" in text for name in mapsr_cli.__all__ if not name.startswith("__"))
    for shown in ("device: str = 'auto'", "precision: str = 'auto'", "- `sample`: ", "- `DiskFullError`: ", "- `tile:"):
        assert shown in text

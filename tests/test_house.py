"""What keeps the house in order."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_no_drawers_without_a_name() -> None:
    nameless = re.compile(r"^(utils?|helpers?|misc|common)\.py$")
    assert not [p for p in (ROOT / "mapsr_cli").rglob("*.py") if nameless.match(p.name)]


def test_files_stay_small() -> None:
    long = {p.name: n for p in (ROOT / "mapsr_cli").rglob("*.py") if (n := len(p.read_text().splitlines())) > 300}
    assert not long


def test_weights_fit_and_are_safe() -> None:
    files = [p for p in (ROOT / "weights").rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 60e6
    assert {p.suffix for p in files} <= {".safetensors", ".md", ".json"}


def test_paper_map_names_what_exists() -> None:
    """Every `file.py::name` that docs/paper-map.md points to is there."""
    places = re.findall(r"`((?:mapsr_cli|tests)/[\w/]+\.py)(?:::([\w.]+))?`", (ROOT / "docs/paper-map.md").read_text())
    assert len(places) > 10
    for path, name in places:
        text = (ROOT / path).read_text()
        assert not name or re.search(rf"(def|class) {name.split('.')[-1]}\b", text), f"{path}::{name}"

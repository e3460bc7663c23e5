"""Hints that work where they are given."""

import importlib.metadata
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mapsr_cli.errors import MissingExtraError, install_command, suggest


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (None, "pip install 'mapsr[train]'"),  # from an index
        ({"url": "file:///src/ma%20psr", "dir_info": {}}, "pip install '/src/ma psr[train]'"),
        ({"url": "file:///src/mapsr", "dir_info": {"editable": True}}, "pip install --editable '/src/mapsr[train]'"),
        (
            {"url": "https://host/mapsr", "vcs_info": {"vcs": "git", "commit_id": "0"}},
            "pip install 'mapsr[train] @ git+https://host/mapsr'",
        ),
    ],
)
def test_extras_come_from_where_mapsr_came_from(
    origin: dict[str, Any] | None, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = SimpleNamespace(read_text=lambda name: None if origin is None else json.dumps(origin))
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: stored)
    assert install_command("train") == MissingExtraError("training", "train").hint == command


def test_from_a_checkout_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    assert install_command("eval") == f"pip install '{Path(__file__).parent.parent}[eval]'"


def test_a_suggestion_has_the_case_of_what_is_known() -> None:
    assert suggest("spam", ["SPAN", "SwinIR"]) == "did you mean 'SPAN'? "
    assert suggest("SPAM", ["span", "swinir"]) == "did you mean 'span'? "
    assert suggest("x", ["SPAN"]) == ""

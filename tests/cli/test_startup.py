import gc
import os

import pytest

from mapsr_cli.cli.startup import heavy_imports


def test_collects_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    with heavy_imports():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "0"  # whoever sets it knows why
    gc.unfreeze()

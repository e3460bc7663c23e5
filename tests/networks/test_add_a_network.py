"""docs/add-a-network.diff does what its page says."""

import re
from pathlib import Path

import pytest

from tests.page_diff import applied, changed, passed


@pytest.mark.slow
def test_one_file_one_row_one_preset_one_test(tmp_path: Path) -> None:
    copy = applied("add-a-network.diff", tmp_path)
    assert changed(copy) == [
        "mapsr_cli/networks/__init__.py",
        "mapsr_cli/networks/architectures.py",
        "mapsr_cli/networks/espcn.py",
        "mapsr_cli/networks/presets.py",
        "tests/networks/test_espcn.py",
        "tests/networks/test_presets.py",
        "tests/tiny.py",
    ]
    suites = (f"tests/networks/test_{name}.py" for name in ("espcn", "architectures", "presets"))
    told = passed(copy, "espcn or documentation", *suites)
    for name in ("how_far_it_looks", "every_parameter_learns", "parameter_counts", "documentation_states"):
        assert re.search(rf"{name}\S* PASSED", told), told

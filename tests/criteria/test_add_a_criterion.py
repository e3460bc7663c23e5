"""docs/add-a-criterion.diff does what its page says."""

import re
from pathlib import Path

import pytest

from tests.page_diff import applied, changed, passed


@pytest.mark.slow
def test_one_file_one_row_one_test(tmp_path: Path) -> None:
    copy = applied("add-a-criterion.diff", tmp_path)
    assert changed(copy) == [
        "mapsr_cli/criteria/charbonnier.py",
        "mapsr_cli/criteria/methods.py",
        "tests/criteria/test_charbonnier.py",
    ]
    told = passed(copy, "harbonnier", "tests/criteria/test_charbonnier.py", "tests/criteria/test_methods.py")
    for name in ("absolute_when_large", "a_step_moves_what_it_should", "any_progress", "made_where_the_images_are"):
        assert re.search(rf"{name}\S* PASSED", told), told

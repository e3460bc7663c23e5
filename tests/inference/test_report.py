"""One report of how a picture was made: reports of its parts add up."""

import pytest

from mapsr_cli.inference import UpscaleReport
from mapsr_cli.operators import Consistency


def test_reports_add_up() -> None:
    one = UpscaleReport(10, 1.0, 0.1, 3, {"network": 1.0}, Consistency(10, 9, 2, 0.5), ("a", "b"))
    two = UpscaleReport(30, 2.0, 0.2, 1, {"network": 2.0, "project": 4.0}, Consistency(30, 30), ("b", "c"))
    both = sum([one, two], UpscaleReport())
    steps = {"network": 3.0, "project": 4.0}
    assert both == UpscaleReport(40, 3.0, 0.2, 3, steps, Consistency(40, 39, 2, 0.5), ("a", "b", "c"))
    assert both.mse_float == 3.0 / 40
    assert isinstance(both.consistency, Consistency)
    assert both.consistency.bit_exact == 39 / 40
    assert both.consistency.mse == 0.5 / 40
    assert both.total == 7.0


def test_a_report_of_nothing() -> None:
    assert UpscaleReport().consistency.holds
    assert UpscaleReport().mse_float == UpscaleReport().total == 0


def test_what_json_says_of_it() -> None:
    report = UpscaleReport(4, 0.04, 0.2, 2, {"decode": 0.12345, "encode": 1.0}, Consistency(4, 3, 1, 0.01), ("a",))
    assert report.summary() == {
        "seconds": {"decode": 0.1235, "encode": 1.0, "total": 1.1235},
        "consistency": {
            "mse_float": 0.01,
            "max_abs_float": 0.2,
            "lr_psnr_file": pytest.approx(26.0206),
            "bit_exact": 0.75,
            "worst_levels": 1,
            "passes": 2,
        },
    }

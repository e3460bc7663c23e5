"""How numbers of several trials are written."""

from mapsr_cli.experiments.output import spread


def test_several_trials_have_a_deviation() -> None:
    assert spread([1.0, 3.0], 2) == "2.00 ± 1.41"
    assert spread([1.26], 1) == "1.3"

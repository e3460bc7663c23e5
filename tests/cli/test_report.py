"""What is said is what is shown."""

import pytest

from mapsr_cli.cli.report import complain, say, table
from mapsr_cli.errors import MapsrError

ODD = (r"x\[/b].png", r"x\[B].png", "[bold]x[/]", "x\\", ":cat:", r"\\[red]")


@pytest.mark.parametrize("name", ODD)
def test_names_are_no_markup(capsys: pytest.CaptureFixture[str], name: str) -> None:
    complain(MapsrError(f"{name}\nis gone", name))
    say(name)
    table(name, ["model", "dB"], [[(name, False), ("31.94", True)]])
    told = capsys.readouterr()
    assert told.err.splitlines() == [f"error: {name} is gone", f"  {name}", name]
    assert told.out.count(name) == 2

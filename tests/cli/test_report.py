"""What is said is what is shown."""

from pathlib import Path

import pytest

from mapsr_cli.cli.report import complain, guarantee, say, table
from mapsr_cli.errors import MapsrError
from mapsr_cli.inference import UpscaleReport
from mapsr_cli.operators import Consistency

ODD = (r"x\[/b].png", r"x\[B].png", "[bold]x[/]", "x\\", ":cat:", r"\\[red]")


@pytest.mark.parametrize("name", ODD)
def test_names_are_no_markup(capsys: pytest.CaptureFixture[str], name: str) -> None:
    complain(MapsrError(f"{name}\nis gone", name))
    say(name)
    table(name, ["model", "dB"], [[(name, False), ("31.94", True)]])
    told = capsys.readouterr()
    assert told.err.splitlines() == [f"error: {name} is gone", f"  {name}", name]
    assert told.out.count(name) == 2


EXACT = UpscaleReport(consistency=Consistency(samples=10**7, exact=10**7), notes=("a remark",))
ONE_OFF = UpscaleReport(consistency=Consistency(samples=10**7, exact=10**7 - 1, worst_levels=2))


@pytest.mark.parametrize(
    ("report", "lossless", "promised", "words", "note"),
    [
        (EXACT, True, True, "gives its original back bit for bit", "note: a.png: a remark"),
        (ONE_OFF, True, False, "99.9999 % bit-exact", ""),
        (
            ONE_OFF, True, True, "99.9999 % bit-exact",
            "note: b.png: made small again, it has 1 of 10,000,000 samples off, by 2 levels at worst",
        ),
        (ONE_OFF, False, True, "lossy", "note: b.png is lossy: the guarantee ends there, save as PNG to keep it"),
    ],
)  # fmt: skip
def test_what_a_file_gives_back(
    capsys: pytest.CaptureFixture[str], report: UpscaleReport, lossless: bool, promised: bool, words: str, note: str
) -> None:
    assert guarantee(Path("a.png"), Path("b.png"), report, lossless, promised) == words
    assert capsys.readouterr().err.strip() == note

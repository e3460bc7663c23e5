"""docs/your-network.md does what it says."""

import re
from pathlib import Path

import pytest
import torch

from mapsr_cli.networks import Named, build, name_network, named, read_config

PAGE = Path(__file__).parents[2] / "docs/your-network.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def test_the_loop_has_at_most_twenty_lines_and_keeps_its_promise(capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    code = [line for line in BLOCKS[0].splitlines() if line and not line.startswith(("import", "from"))]
    assert len(code) <= 20
    exec(compile(BLOCKS[0], "your-network.md", "exec"), {})
    assert float(capsys.readouterr().out.split(":")[1]) < 1e-5


def test_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named, "_OWN", {})
    (tmp_path / "mynet.py").write_text(BLOCKS[1], encoding="utf-8")
    code = name_network(f"{tmp_path}/mynet.py:MyNet")
    network = build(read_config(code.architecture, {"channels": 8}))
    assert isinstance(network, Named)
    network.check()
    assert network.receptive_field == 2

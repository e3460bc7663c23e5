import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import mapsr_cli
from mapsr_cli.zoo import bundled_models
from mapsr_cli.zoo.cache import MODEL_FILE
from tests.cli.conftest import Mapsr
from tests.hub_server import Fault, Hub
from tests.pictures import save, scene

REPO = "org/tiny"


def test_list_is_quick_and_asks_no_network(hub: Hub, tiny_model: Path, mapsr: Mapsr) -> None:
    hub.add(REPO, {MODEL_FILE: tiny_model.read_bytes()})
    assert mapsr("models", "pull", REPO).code == 0
    hub.requests.clear()
    listed = {model["name"]: model for model in mapsr("models", "list", "--json").json["models"]}
    assert listed["natural-x4-affmse"]["where"] == "bundled"
    assert listed["natural-x4-affmse"]["metrics"]["psnr_y"]["Set5"] > 31
    assert listed[REPO]["where"] == "cached"
    assert listed[REPO]["revision"] == hub.repositories[REPO].branches["main"]
    text = mapsr("models", "list").stdout
    assert "natural-x4-affmse            bundled  ×4" in text  # as wide as the longest name
    assert hub.requests == []


def test_list_imports_neither_torch_nor_a_network_client() -> None:
    script = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from mapsr_cli.cli.app import app\n"
        "done = CliRunner().invoke(app, ['models', 'list'])\n"
        "assert done.exit_code == 0 and 'natural-x4-affmse' in done.output, done.output\n"
        "heavy = {'torch', 'numpy', 'PIL', 'safetensors', 'httpx', 'httpx2'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_what_is_listed_is_read_without_pydantic() -> None:
    """typer imports it for a command's options, in some versions; the catalogue never does."""
    script = (
        "import sys\n"
        "from mapsr_cli.zoo.catalogue import offers\n"
        "assert list(offers()) and 'pydantic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_show(tiny_model: Path, mapsr: Mapsr) -> None:
    told = mapsr("models", "show", tiny_model, "--json").json
    assert (told["name"], told["architecture"], told["kernel"]["name"]) == ("tiny", "compact", "bicubic")
    assert told["size"] == tiny_model.stat().st_size
    text = mapsr("models", "show", "natural-x4-affmse").stdout
    assert text.startswith("natural-x4-affmse: 4× upscaling of photographs")
    assert "license:" in text
    (kernel,) = (line for line in text.splitlines() if line.startswith("kernel:"))
    assert "name bicubic" in kernel
    assert "taps" not in kernel


def test_pull(hub: Hub, tiny_model: Path, mapsr: Mapsr) -> None:
    data = tiny_model.read_bytes()
    hub.add(REPO, {MODEL_FILE: data})
    told = mapsr("models", "pull", REPO, "--json").json
    assert (told["name"], told["model"], told["size"]) == (REPO, "tiny", len(data))
    assert Path(told["file"]).read_bytes() == data
    assert "natural-x4-affmse" in mapsr("models", "pull", "natural-x4-affmse").stdout


def test_a_model_of_the_hub_upscales(hub: Hub, tiny_model: Path, tmp_path: Path, mapsr: Mapsr) -> None:
    hub.add(REPO, {MODEL_FILE: tiny_model.read_bytes()})
    source = save(scene(12, 10), tmp_path / "a.png")
    done = mapsr("upscale", source, "-m", REPO, "--json")
    assert done.code == 0, done.stderr
    assert done.json["results"][0]["model"] == "tiny"
    assert mapsr("verify", source, tmp_path / "a_x4.png", "-m", REPO).code == 0
    assert mapsr_cli.load(REPO)(torch.rand(1, 3, 4, 4)).shape == (1, 3, 16, 16)
    upscaled = mapsr_cli.Upscaler(REPO)(Image.new("RGB", (5, 4)))
    assert upscaled.size == (20, 16)


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_faults_are_one_line_and_exit_code_1(hub: Hub, tiny_model: Path, mapsr: Mapsr, status: int) -> None:
    hub.add(REPO, {MODEL_FILE: tiny_model.read_bytes()})
    hub.faults.append(Fault(status, "resolve"))
    done = mapsr("models", "pull", REPO)
    assert done.code == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("error: org/tiny: ")
    assert str(status) in lines[0]
    hub.faults.clear()
    assert mapsr("models", "pull", REPO).code == 0


def test_verify(hub: Hub, tiny_model: Path, mapsr: Mapsr) -> None:
    hub.add(REPO, {MODEL_FILE: tiny_model.read_bytes()})
    path = Path(mapsr("models", "pull", REPO, "--json").json["file"])
    assert mapsr("models", "verify").code == 0
    path.resolve().write_bytes(path.read_bytes()[:-1] + b"?")
    done = mapsr("models", "verify", "--json")
    assert done.code == 1
    holds = {model["name"]: model["holds"] for model in done.json["models"]}
    assert holds == {**dict.fromkeys(bundled_models(), True), REPO: False}
    assert "another hash" in done.stderr
    assert mapsr("models", "verify", "natural-x4-affmse", tiny_model).code == 0
    assert mapsr("models", "verify", "nothing").code == 1


def test_rm(hub: Hub, tiny_model: Path, mapsr: Mapsr) -> None:
    hub.add(REPO, {MODEL_FILE: tiny_model.read_bytes()})
    mapsr("models", "pull", REPO)
    assert mapsr("models", "rm", REPO, "--json").json["freed"] >= tiny_model.stat().st_size
    done = mapsr("models", "rm", REPO)
    assert done.code == 1
    assert "no model in the cache" in done.stderr
    done = mapsr("models", "rm", "natural-x4-affmse")
    assert done.code == 2
    assert "stays" in done.stderr


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "C:\\x", "a\0b", "org/..", "org/x@../y", "x.pth", "", "nothing", "a" * 300]
)
def test_tricks_and_nonsense(hub: Hub, mapsr: Mapsr, name: str) -> None:
    for command in ("show", "pull", "rm", "verify"):
        done = mapsr("models", command, name)
        assert done.code in (1, 2), command
        assert "error:" in done.stderr
    assert hub.requests == []


def test_push_shows_then_publishes(hub: Hub, tiny_model: Path, tmp_path: Path, mapsr: Mapsr) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "weights.safetensors").write_bytes(tiny_model.read_bytes())
    picture = save(scene(20, 24), tmp_path / "cat.png")
    call = ("models", "push", run, REPO, "--license", "mit", "--sample", picture)
    shown = mapsr(*call, "--dry-run")
    assert shown.code == 0, shown.stderr
    for part in ("samples/cat.png", "library_name: mapsr", "arxiv:1610.04490", '"architecture": "compact"'):
        assert part in shown.stdout
    assert hub.requests == []
    assert set(mapsr(*call, "--dry-run", "--json").json["texts"]) == {"README.md", "config.json"}
    done = mapsr(*call, "--json", "--private")
    assert done.code == 0, done.stderr
    files = hub.files(REPO)
    assert set(files) == {MODEL_FILE, "README.md", "config.json", "samples/cat.png"}
    assert files[MODEL_FILE] == tiny_model.read_bytes()
    assert {path: len(data) for path, data in files.items()} == done.json["files"]
    assert hub.repositories[REPO].private
    found = mapsr("models", "pull", f"{REPO}@{done.json['commit']}")
    assert found.code == 0, found.stderr


def test_push_refuses(hub: Hub, tiny_model: Path, tmp_path: Path, mapsr: Mapsr) -> None:
    for repo in ("repo", "org/repo@v1", "../x/y", "org/.."):
        assert mapsr("models", "push", tiny_model, repo, "--license", "mit").code == 2
    assert "licence" in mapsr("models", "push", tiny_model, REPO).stderr
    (tmp_path / "empty").mkdir()
    assert "does not hold one mapsr checkpoint" in mapsr("models", "push", tmp_path / "empty", REPO).stderr
    (tmp_path / "bad.safetensors").write_bytes(tiny_model.read_bytes()[:-1])
    assert mapsr("models", "push", tmp_path / "bad.safetensors", REPO, "--license", "mit").code == 1
    assert hub.requests == []


def test_the_environment_is_the_librarys(hub: Hub, tiny_model: Path, tmp_path: Path) -> None:
    """HF_ENDPOINT, HF_HOME, HF_TOKEN and HF_HUB_OFFLINE, as a new process reads them."""
    hub.add(REPO, {MODEL_FILE: tiny_model.read_bytes()}, private=True)
    environment = {
        "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": "hf_loopback", "PATH": "",
        "PYTHONPATH": ":".join(sys.path),
    }  # fmt: skip

    def pull(**more: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "mapsr_cli", "models", "pull", REPO, "--json"]
        return subprocess.run(words, env={**environment, **more}, capture_output=True, text=True)

    done = pull()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["file"].startswith(str(tmp_path / "home" / "hub"))
    hub.requests.clear()
    offline = pull(HF_HUB_OFFLINE="1")
    assert offline.returncode == 1
    assert "HF_HUB_OFFLINE" in offline.stderr
    assert hub.requests == []


def test_export_says_to_what(tmp_path: Path, tiny_model: Path, mapsr: Mapsr) -> None:
    done = mapsr("export", "-m", tiny_model)
    assert done.code == 2
    assert "--onnx" in done.stderr
    (tmp_path / "m.onnx").write_bytes(b"")
    assert "exists" in mapsr("export", "--onnx", "-m", tiny_model, "-o", tmp_path / "m.onnx").stderr


@pytest.mark.slow
def test_export(tmp_path: Path, tiny_model: Path, mapsr: Mapsr) -> None:
    pytest.importorskip("onnxruntime")
    done = mapsr("export", "--onnx", "-m", tiny_model, "-o", tmp_path / "m.onnx", "--json")
    assert done.code == 0, done.stderr
    assert done.json["difference"] < 1e-4
    assert done.json["inconsistency"] < 1e-4
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]

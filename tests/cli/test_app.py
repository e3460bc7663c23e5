import subprocess
import sys

from tests.cli.conftest import Mapsr


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from mapsr_cli.cli.app import app\n"
        "done = CliRunner().invoke(app, ['--help'])\n"
        "assert done.exit_code == 0 and 'upscale' in done.output, done.output\n"
        "heavy = {'torch', 'pydantic', 'numpy', 'PIL', 'safetensors', 'huggingface_hub'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_every_command_has_help_with_an_example(mapsr: Mapsr) -> None:
    models = (f"models {name}" for name in ("list", "show", "pull", "push", "verify", "rm"))
    for command in ("upscale", "verify", "downscale", "evaluate", "export", "models", *models):
        done = mapsr(*command.split(), "--help")
        assert done.code == 0
        assert f"Example: mapsr {command}" in done.stdout


def test_version(mapsr: Mapsr) -> None:
    assert mapsr("--version").stdout.startswith("mapsr 0.")


def test_unknown_commands(mapsr: Mapsr) -> None:
    assert mapsr("enlarge").code == 2

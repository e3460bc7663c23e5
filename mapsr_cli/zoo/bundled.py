"""Models that come with the package: `weights/` in a checkout, `mapsr_cli/weights/` in an installed wheel."""

from pathlib import Path

from mapsr_cli.errors import CheckpointError

DEFAULT_MODEL = "natural-x4-affmse"
SUFFIX = ".safetensors"


def _folder() -> Path:
    package = Path(__file__).parents[1]
    installed = package / "weights"
    return installed if installed.is_dir() else package.parent / "weights"


def bundled_models() -> list[str]:
    """Names of the bundled models."""
    return sorted(path.stem for path in _folder().glob(f"*{SUFFIX}"))


def find_model(name: str) -> Path:
    """The checkpoint for a bundled name or a path to a `.safetensors` file. Raises CheckpointError if there is none."""
    if name in bundled_models():
        return _folder() / f"{name}{SUFFIX}"
    path = Path(name)
    if path.suffix in (".pt", ".pth", ".bin", ".ckpt", ".pkl"):
        raise CheckpointError(
            f"{name}: pickled weights can run code when loaded, so mapsr does not open them",
            "ask for a .safetensors file",
        )
    if path.suffix == SUFFIX and path.is_file():
        return path
    raise CheckpointError(
        f"no model '{name}'", f"bundled: {', '.join(bundled_models()) or 'none'}; or name a {SUFFIX} file"
    )

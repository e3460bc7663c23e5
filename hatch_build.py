"""Put the zoo's checkpoints into the wheel: those of `weights/` itself, not what `weights/intermediate/` keeps."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Checkpoints(BuildHookInterface):
    """Adds files to a wheel. An editable install finds them in the repository."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add each file of `weights/` as `mapsr_cli/weights/…`."""
        if version != "editable":
            files = (path for path in Path(self.root, "weights").iterdir() if path.is_file())
            build_data["force_include"] |= {str(path): f"mapsr_cli/weights/{path.name}" for path in files}

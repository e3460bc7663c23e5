"""The Upscaler: tile, network, merge, project, round-trip. `load`: network and constraint as one module."""

from mapsr_cli.inference.level_upscaler import Settings
from mapsr_cli.inference.loading import load
from mapsr_cli.inference.report import UpscaleReport
from mapsr_cli.inference.sizes import SizeRequest
from mapsr_cli.inference.upscaler import Upscaler

__all__ = ["Settings", "SizeRequest", "UpscaleReport", "Upscaler", "load"]

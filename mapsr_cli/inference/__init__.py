"""The Upscaler: tile, network, merge, project, round-trip. `load`: network and constraint as one module."""

from mapsr_cli.inference.loading import load
from mapsr_cli.inference.upscaler import Settings, Upscaled, Upscaler

__all__ = ["Settings", "Upscaled", "Upscaler", "load"]

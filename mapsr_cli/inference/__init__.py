"""The Upscaler: tile, network, merge, project, round-trip. The Estimator: network and projection as one module."""

from mapsr_cli.inference.estimator import Estimator, load
from mapsr_cli.inference.upscaler import Settings, Upscaled, Upscaler

__all__ = ["Estimator", "Settings", "Upscaled", "Upscaler", "load"]

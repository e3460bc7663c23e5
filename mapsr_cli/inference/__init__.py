"""The Upscaler: tile, network, merge, project, round-trip."""

from mapsr_cli.inference.upscaler import Settings, Upscaled, Upscaler

__all__ = ["Settings", "Upscaled", "Upscaler"]

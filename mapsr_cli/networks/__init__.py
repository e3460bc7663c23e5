"""Plain nn.Modules, each with a frozen config dataclass beside it."""

from mapsr_cli.networks.compact import Compact, CompactConfig

__all__ = ["Compact", "CompactConfig"]

"""mapsr: image super-resolution that never contradicts the original."""

__version__ = "0.1.0"

"""Files ↔ tensors. The one place that decodes, encodes and knows about formats."""

from mapsr_cli.imaging.provenance import Provenance
from mapsr_cli.imaging.psf import find_kernel, read_psf
from mapsr_cli.imaging.reading import Picture, read_picture, read_provenance
from mapsr_cli.imaging.writing import is_lossless, output_format, write_bytes, write_picture

__all__ = [
    "Picture",
    "Provenance",
    "find_kernel",
    "is_lossless",
    "output_format",
    "read_picture",
    "read_provenance",
    "read_psf",
    "write_bytes",
    "write_picture",
]

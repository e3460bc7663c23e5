"""Files ↔ tensors. The one place that decodes, encodes and knows about formats."""

from mapsr_cli.imaging.coefficients import JpegCoefficients
from mapsr_cli.imaging.encoding import encode, encode_frames, write_picture
from mapsr_cli.imaging.formats import FORMATS, Format, Holds, check_size, is_lossless, output_format
from mapsr_cli.imaging.hidden import spread
from mapsr_cli.imaging.opening import FileSource
from mapsr_cli.imaging.picture import Frames, Picture
from mapsr_cli.imaging.provenance import Provenance
from mapsr_cli.imaging.psf import find_kernel, read_psf
from mapsr_cli.imaging.reading import INSTEAD, MAX_PIXELS, FrameProgress, read_frames, read_picture, read_provenance
from mapsr_cli.imaging.tags import Tags

__all__ = [
    "FORMATS",
    "INSTEAD",
    "MAX_PIXELS",
    "FileSource",
    "Format",
    "FrameProgress",
    "Frames",
    "Holds",
    "JpegCoefficients",
    "Picture",
    "Provenance",
    "Tags",
    "check_size",
    "encode",
    "encode_frames",
    "find_kernel",
    "is_lossless",
    "output_format",
    "read_frames",
    "read_picture",
    "read_provenance",
    "read_psf",
    "spread",
    "write_picture",
]

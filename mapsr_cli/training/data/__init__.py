"""HR patches for training, from a folder, a list, tar shards or a toy distribution: `open_data` opens any of them.

Batch k is a function of the seed, k and the files alone, so that a run resumes with the batches that an uninterrupted
one would have had. ImageFiles come as uint8 levels, which the loop divides by 255; floats are taken as they are.
"""

from mapsr_cli.training.data.config import DataConfig, RankShare
from mapsr_cli.training.data.counts import DataCounts
from mapsr_cli.training.data.estimates import open_estimates
from mapsr_cli.training.data.lessons import open_lessons, write_lesson
from mapsr_cli.training.data.orientation import Orientation, orientations
from mapsr_cli.training.data.pairs import open_pairs
from mapsr_cli.training.data.sources import SOURCES, open_data
from mapsr_cli.training.data.stream import Data
from mapsr_cli.training.data.swissroll import swiss_roll

__all__ = [
    "SOURCES",
    "Data",
    "DataConfig",
    "DataCounts",
    "Orientation",
    "RankShare",
    "open_data",
    "open_estimates",
    "open_lessons",
    "open_pairs",
    "orientations",
    "swiss_roll",
    "write_lesson",
]

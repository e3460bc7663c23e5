"""What the eye sees, without a network: SSIMULACRA2, FLIP, gradient energy, grid, phases, lattice and NIQE."""

import io
from collections.abc import Mapping

import numpy as np
from PIL import Image
from torch import Tensor

from mapsr_cli.errors import MissingExtraError
from mapsr_cli.evaluation.niqe import load_pristine, niqe
from mapsr_cli.evaluation.perceptual import Measure
from mapsr_cli.evaluation.texture import grid, lattice, phases, relative_energy

SMALLEST = 8
"""Pixels a side that SSIMULACRA2 needs."""


def visual_measures() -> Mapping[str, Measure]:
    """Make the measures by key, all of (estimate, truth) [3, H, W] in [0, 1]; None where an image is too small.

    Raises MissingExtraError without the packages of the extra `eval`.
    """
    try:
        from flip_evaluator import evaluate as flip
    except ImportError as error:
        raise MissingExtraError("FLIP", "eval") from error

    def mean_flip(y: Tensor, truth: Tensor) -> float:
        """Average LDR-FLIP at 67 pixels per degree: 0 where equal (Andersson et al., 2020)."""
        images = (np.ascontiguousarray(image.permute(1, 2, 0).float().numpy()) for image in (truth, y))
        return float(flip(*images, "LDR", applyMagma=False)[1])

    return {
        "ssimulacra2": ssimulacra2_measure(),
        "flip": mean_flip,
        "gradient_energy": relative_energy,
        "grid": lambda y, _: grid(y),
        "phases": lambda y, _: phases(y),
        "lattice": lambda y, _: lattice(y),
    }


def ssimulacra2_measure() -> Measure:
    """Make SSIMULACRA2 a measure: 100 where equal, 90 where no eye sees a difference (Sneyers, 2023), in 8-bit sRGB.

    Raises MissingExtraError without its package.
    """
    try:
        from ssimulacra2 import compute_ssimulacra2
    except ImportError as error:
        raise MissingExtraError("SSIMULACRA2", "eval") from error

    def ssimulacra2(y: Tensor, truth: Tensor) -> float | None:
        return None if min(y.shape[-2:]) < SMALLEST else float(compute_ssimulacra2(_file(truth), _file(y)))

    return ssimulacra2


def niqe_measure() -> Measure:
    """Make NIQE a measure that needs no truth. Raises MapsrError where its model of natural pictures is missing."""
    pristine = load_pristine()
    return lambda y, _: niqe(y, pristine)


def _file(image: Tensor) -> io.BytesIO:
    """Store [3, H, W] in [0, 1] as a file in memory, which is what the package reads."""
    levels = (image * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "BMP")
    file.seek(0)
    return file

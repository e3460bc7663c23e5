"""Frequencies: the mean absolute error of Fourier transforms (Cho et al., 2021)."""

import torch
from torch import Tensor

from mapsr_cli.criteria.base import Term


class Frequency(Term):
    """mean |F y − F ŷ|, with F the orthonormal Fourier transform of each colour of a patch.

    Every frequency counts by its magnitude, wherever in the patch it is wrong. An error at one place alone counts like
    its √(mean square) over the patch, as it is spread over all frequencies.
    """

    def value(self, estimate: Tensor, truth: Tensor) -> Tensor:
        """Compute the mean over images, colours and the half of the frequencies that the other mirrors."""
        error: Tensor = torch.fft.rfft2(estimate - truth, norm="ortho")
        return error.abs().mean()

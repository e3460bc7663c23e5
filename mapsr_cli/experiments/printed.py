"""What budget `paper` sets besides networks: the paper's protocol, and nothing of ours where it can be left away."""

from mapsr_cli.training.settings import SectionValues, merge

PLAIN: SectionValues = {"loop": {"average": 0.0, "final_rate": 1.0}}
"""Weights as they are, at a constant rate: the paper tells of no average and no schedule."""
PLAIN_IMAGES: SectionValues = merge(PLAIN, {"data": {"batch": 16, "augment": False}})
"""The same of images. It tells of no augmentation, and gives no batch."""
CONVOLVED: SectionValues = {"constraint": {"projection": "fitted", "taps": 5}}
"""Appendix D: A⁺ is a convolution with 4² kernels of 5×5; fitted as Appendix B says, but by least squares."""
NO_NOISE: SectionValues = {"criterion": {"noise": "none"}}
"""Section 4: instance noise is for natural images alone."""

"""A network of a user's own: it knows nothing of mapsr."""

from typing import cast

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """A block of two convolutions in LR space."""

    def __init__(self, scale: int, colours: int, channels: int = 8, noise_dim: int = 0) -> None:
        super().__init__()
        self.head = nn.Conv2d(colours + noise_dim, channels, 3, padding=1)
        self.block = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)
        )
        self.tail = nn.Conv2d(channels, colours * scale**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        h = self.head(x if z is None else torch.cat([x, z], 1))
        return cast(Tensor, self.shuffle(self.tail(h + self.block(h))))


class Means(Residual):
    """Sees the whole image, so that no tile is equal to it; and normalises, which NaN would spoil."""

    def __init__(self, scale: int = 4, widths: tuple[int, ...] = (8,), slope: float = 0.1, act: type = nn.ReLU) -> None:
        super().__init__(scale, 3, widths[0])
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        return super().forward(self.norm(x) + x.mean((-2, -1), keepdim=True))


class Needy(Residual):
    """Has an argument without a default."""

    def __init__(self, channels: int) -> None:
        super().__init__(4, 3, channels)


class Stuck(Residual):
    """Upscales ×4, whatever it is asked for."""

    def __init__(self) -> None:
        super().__init__(4, 3)


class Stated(Residual):
    """Says how far it sees, and that it adds detail to A⁺x."""

    receptive_field = 9
    detail = True

    def __init__(self, scale: int) -> None:
        super().__init__(scale, 3)


NOT_A_CLASS = 3

"""Train a network of one's own: this very file holds it, and `mapsr train --network` takes it from there.

python examples/gallery/add_a_network.py OUT [STEPS]
mapsr train affmae --network examples/gallery/add_a_network.py:Wide --data photos
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn


class Wide(nn.Module):
    """One wide layer of 5×5, then a pixel shuffle."""

    def __init__(self, scale: int, colours: int, channels: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(colours, channels, 5, padding=2)
        self.last = nn.Conv2d(channels, colours * scale**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, colours, h, w] to [N, colours, s·h, s·w]."""
        y: Tensor = self.shuffle(self.last(torch.relu(self.first(x))))
        return y


if __name__ == "__main__":
    from mapsr_cli.networks import name_network
    from mapsr_cli.training.processes import make_accelerator
    from mapsr_cli.training.recipe import make_recipe
    from mapsr_cli.training.session import train_recipe
    from mapsr_cli.training.settings import SectionValues
    from mapsr_cli.zoo import load_model

    out, steps = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200
    code = name_network(f"{__file__}:Wide")
    settings: SectionValues = {
        "generator": {"channels": 16},
        "data": {"patch": (64, 64), "batch": 4, "workers": 0},
        "loop": {"steps": steps, "warmup": 5},
    }
    recipe = make_recipe("affmae", "compact", settings, str(Path(__file__).parents[1]), network=code)
    train_recipe(recipe, out / "run", make_accelerator("cpu", "fp32"), lambda status: None)
    model = load_model(out / "run/weights.safetensors")
    print(f"{model.card.architecture}, sees {model.receptive_field} pixels around, trained by {model.card.method}")

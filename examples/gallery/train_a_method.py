"""Train a method on a folder of pictures, and upscale with what was trained.

python examples/gallery/train_a_method.py OUT [STEPS]
"""

import sys
from pathlib import Path

from PIL import Image

from mapsr_cli import Upscaler
from mapsr_cli.training.export import WEIGHTS
from mapsr_cli.training.processes import make_accelerator
from mapsr_cli.training.recipe import make_recipe
from mapsr_cli.training.session import train_recipe
from mapsr_cli.training.settings import SectionValues

EXAMPLES = Path(__file__).parents[1]

out, steps = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200
settings: SectionValues = {
    "generator": {"channels": 16, "blocks": 2},
    "data": {"patch": (64, 64), "batch": 4, "workers": 0},
    "loop": {"steps": steps, "warmup": 5},
}
recipe = make_recipe("affmae", "compact", settings, str(EXAMPLES))  # the method: affine constraint × MAE
run = train_recipe(recipe, out / "run", make_accelerator("cpu", "fp32"), lambda status: None)

upscaler = Upscaler(str(out / "run" / WEIGHTS))
picture = Image.open(EXAMPLES / "coffee.png").convert("RGB").crop((100, 60, 180, 120))
upscaled, report = upscaler.upscale(picture)
assert isinstance(upscaled, Image.Image)
upscaled.save(out / "coffee_x4.png")
print(f"{run.step} steps, gives its original back: {report.consistency.holds}")

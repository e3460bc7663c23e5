"""Make a finished picture, by any tool, give its original back.

python examples/gallery/project_a_picture.py OUT
"""

import sys
from pathlib import Path

import torch
from PIL import Image, ImageFilter

from mapsr_cli.imaging import read_picture, write_picture
from mapsr_cli.inference.finished import project_picture
from mapsr_cli.operators import make_kernel

EXAMPLES = Path(__file__).parents[1]

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
small = Image.open(EXAMPLES / "chelsea.png").convert("RGB")

# Some tool's work: enlarged, then sharpened until it no longer agrees with the original.
large = small.resize((4 * small.width, 4 * small.height), Image.Resampling.LANCZOS)
large.filter(ImageFilter.UnsharpMask(4, 200, 0)).save(out / "sharpened.png")

original, finished = read_picture(EXAMPLES / "chelsea.png"), read_picture(out / "sharpened.png")
projected, report = project_picture(original, finished, make_kernel("bicubic", 4))
write_picture(out / "projected.png", projected.levels)

moved = (projected.levels.float() - finished.levels.float()).abs()
print(f"gives the original back: {report.consistency.holds}")
print(f"changed by {moved.mean():.2f} levels on average, {int(torch.max(moved))} at most")

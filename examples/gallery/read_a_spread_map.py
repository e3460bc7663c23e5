"""Draw several answers for one picture, and map where they differ: there, the original says little.

python examples/gallery/read_a_spread_map.py OUT [SAMPLES]
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from mapsr_cli import Upscaler
from mapsr_cli.views.deviation import Spread
from mapsr_cli.views.map_frame import Caption
from mapsr_cli.views.spread_map import draw_spread

EXAMPLES = Path(__file__).parents[1]

out, samples = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 4
out.mkdir(parents=True, exist_ok=True)
picture = Image.open(EXAMPLES / "chelsea.png").convert("RGB").crop((90, 20, 190, 95))  # eyes and whiskers
upscaler, spread = Upscaler("natural-x4-affgan-z"), Spread()
for sample in range(1, samples + 1):
    answer = upscaler(picture, sample=sample)
    assert isinstance(answer, Image.Image)
    answer.save(out / f"sample_{sample}.png")
    spread.add(np.asarray(answer))

whole, largest = spread.summary()
caption = Caption("chelsea.png", f"{samples} samples", "pixels")
draw_spread(spread, caption).save(out / "spread.png")
print(f"samples differ by {whole:.1f} levels on average, by {largest:.0f} at most; each gives the original back")

"""Find the kernel that a device applies, from pictures and what it makes of them; here the device is simulated.

python examples/gallery/measure_a_kernel.py OUT [PAIRS]
"""

import sys
from pathlib import Path

import numpy as np
import torch

from mapsr_cli.imaging import find_kernel
from mapsr_cli.operators import downsampling, make_psf
from mapsr_cli.operators.fit_kernel import KernelFit

out, pairs = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8
out.mkdir(parents=True, exist_ok=True)

# A lens that smears along a diagonal: its point-spread function is not separable.
v, u = np.mgrid[-4.5:5.5, -4.5:5.5]
secret = make_psf("secret", np.exp(-((u + v) ** 2) / 16 - (u - v) ** 2 / 4), 4)

generator = torch.Generator().manual_seed(0)
fit = KernelFit(scale=4, size=16)
for _ in range(pairs):
    y = (127.5 + 50 * torch.randn(3, 240, 240, generator=generator)).round().clamp(0, 255)  # a chart of fine noise
    x = downsampling(secret, (240, 240)).down(y)
    fit.add((x + 0.5 * torch.randn(x.shape, generator=generator)).round().clamp(0, 255), y)

found = fit.solve()
np.save(out / "psf.npy", found.picture.numpy())
measured = find_kernel(f"file:{out / 'psf.npy'}", 4)  # what --kernel file:psf.npy takes
print(f"found {measured.describe()}, its error about {found.error:.1%}, residual {found.residual:.2f} levels")

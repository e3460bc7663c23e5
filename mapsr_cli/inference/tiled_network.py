"""A model's network over an image of any size: tiles by memory, noise for stochastic models, values checked."""

import copy
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from mapsr_cli.errors import MapsrError
from mapsr_cli.inference.memory import bytes_per_pixel, choose_tile, free_memory, reduced_tile
from mapsr_cli.inference.noise import Noise
from mapsr_cli.inference.tiles import Put, TileSize, run_tiled
from mapsr_cli.networks import told_of
from mapsr_cli.zoo import Model

LARGEST_VALUE = 1e6
"""Of an estimate, whose values lie about 0 … 1: the projection of larger ones is not accurate in float32."""
PRECISION_HINT = "--precision fp32 may do better; or the file is damaged, or not for pictures"
_SEAMS = "in tiles, and this network sees beyond their surroundings: near their edges it may differ from --tile off"


class TiledNetwork:
    """f, the network of a model without its constraint, on one device and in one compute type.

    Args:
        model: what holds the network, which is copied.
        device, dtype: where and in what it computes.
        tile: how large tiles are.
        seed: random seed for a stochastic model's noise.
    """

    def __init__(self, model: Model, device: str, dtype: torch.dtype, tile: TileSize, seed: int) -> None:
        self.model, self.device, self.dtype = model, device, dtype
        self._tiles = tile if isinstance(tile, tuple) else (tile,)
        self._seed = seed
        self.sides: list[int] = []
        """LR pixels a side of the tiles of every run, at most the image's longer side."""
        self.network = copy.deepcopy(model.network).to(device, dtype)
        self.network.to(memory_format=model.memory_format)  # type: ignore[call-overload]
        self._per_pixel: float | None = None

    def tile_for(self, x: Tensor, room: int | None = None) -> int:
        """Choose the side of a tile for x [C, h, w]: as set, or by free memory and the `room` of `run`."""
        tile = self._tiles[min(len(self.sides), len(self._tiles) - 1)]
        if tile is not None:
            return tile or max(x.shape[-2:])
        if self._per_pixel is None:
            probe = torch.empty(3, 1, 1, dtype=self.dtype, device=self.device)
            noise = (probe.new_empty(self.model.noise_dim, 1, 1),) if self.model.noise_dim else ()
            self._per_pixel = bytes_per_pixel(self.network, probe, *noise)
        image = 4 * self.model.kernel.hr_pixels(x.numel())  # the estimate itself, in float32
        free, halo = free_memory(self.device), self.model.receptive_field
        if room is None or self.device != "cpu":
            return choose_tile(free - image, self._per_pixel, halo, self.device)
        side = choose_tile(free, self._per_pixel, halo, self.device)
        return min(side, reduced_tile(room, image // x.shape[-2], self._per_pixel, halo))

    def run(
        self,
        x: Tensor,
        put: Put,
        progress: Callable[[int, int], None],
        sample: int,
        told: Tensor | None = None,
        peak: int = 1,
        room: int | None = None,
    ) -> tuple[str, ...]:
        """Compute f(x), tile by tile; returns notes about memory and seams.

        Args:
            x: [C, h, w] from 0 to `peak`, of any type, C = 1 or 3.
            put: takes HR rows, HR columns and f there, [C, rows, cols] float32 of any range.
            progress: called with (tiles done, of how many).
            sample: number of the draw of a stochastic model.
            told: `Evidence.told` of the original [1, TOLD], for a network that is told it; None for a lossless one.
            room: bytes for a tile and a row of tiles, where `put` uses up rows as they come; None: it keeps them all.

        Raises:
            MapsrError: values that are not finite, or far from any picture's; memory does not suffice.
        """

        def take(rows: slice, cols: slice, f: Tensor) -> None:
            f = f[0].float()
            low, high = f.aminmax()
            if not (low > -LARGEST_VALUE and high < LARGEST_VALUE):  # also where one is NaN
                name = self.model.card.name
                raise MapsrError(f"{name} gives values that are not finite, or far from any picture's", PRECISION_HINT)
            put(rows, cols, f if len(x) == 3 else f.mean(0, keepdim=True))  # grey in, grey out

        beside = {"told": told.to(self.device, self.dtype)} if told is not None and told_of(self.network) else {}

        def network(part: Tensor, *noise: Tensor) -> Tensor:
            colour = (part.float() / peak).to(self.device, self.dtype).expand(-1, 3, -1, -1)
            inputs = (each.contiguous(memory_format=self.model.memory_format) for each in (colour, *noise))
            f: Tensor = self.network(*inputs, **beside)
            return f

        wanted = self.tile_for(x, room)
        used = run_tiled(
            network,
            x[None],
            self.model.kernel.hr_range,
            wanted,
            self.model.receptive_field,
            take,
            progress,
            partial(self._noise, sample),
            self.model.period,
        )
        self.sides.append(min(used, max(x.shape[-2:])))
        notes = () if used == wanted else (f"out of memory in tiles of {wanted} pixels: took {used}",)
        seams = max(x.shape[-2:]) > max(used, self.model.receptive_field) and not self.model.seamless
        return notes + (_SEAMS,) * seams

    def _noise(self, sample: int, rows: slice, cols: slice) -> tuple[Tensor, ...]:
        """Draw z [1, noise_dim, rows, cols] for a stochastic network; nothing for others."""
        if not self.model.noise_dim:
            return ()
        z = Noise(self.model.noise_dim, self._seed, sample).draw(rows, cols)
        return (z[None].to(self.device, self.dtype),)

"""The public upscaler: pictures in, pictures out. Colour, alpha and inks each go by the path that suits it."""

import copy
import time
from dataclasses import replace
from functools import cached_property, partial

import torch
from torch import Tensor

from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.imaging import JpegCoefficients, Picture, spread
from mapsr_cli.imaging.in_memory import PictureLike, picture_from, picture_like
from mapsr_cli.inference.comparison import compare
from mapsr_cli.inference.devices import choose_device, choose_dtype
from mapsr_cli.inference.jpeg_evidence import TURNED, stored_kernel
from mapsr_cli.inference.level_upscaler import LEAST_NOISE, MOST_NOISE, LevelUpscaler, Settings
from mapsr_cli.inference.report import StageProgress, UpscaleReport, silent
from mapsr_cli.inference.sizes import SizeRequest
from mapsr_cli.operators import AnyKernel, Kernel, NoiseCube, noise_level
from mapsr_cli.zoo import DEFAULT_MODEL, Model, Textured, find_model, load_model, textured

_ENLARGED = "blocks and rings of the JPEG are enlarged: the model that removes them has no texture"


class Upscaler:
    """Upscale pictures with one model such that A takes the result back to the original.

    Args:
        model: a bundled model's name, a `.safetensors` file, a folder that holds one, `org/repo[@revision]` on the
            Hugging Face Hub (fetched if it is not in the cache), or a loaded Model.
        settings: what to promise, and how; see `Settings`.
        kernel: A, where it is not the model's own.
        size: size of the results: a factor, such as 2 or 1.5; the (width, height) of a box to fit into; or a
            SizeRequest. By default the settings', or else the model's own factor.
        texture: from 0, the mean of what is plausible, to 1, invented texture: a mixture of the model and its twin,
            which gives the original back whatever the share. By default the settings', or else the model alone.
        device: `auto` (CUDA, then MPS, then the CPU), `cpu`, `cuda`, `cuda:N` or `mps`.
        precision: what the network computes in: `auto`, `fp32`, `bf16` or `fp16`. `auto` takes a half-precision type
            where the device multiplies it faster, float32 elsewhere. The projection uses float32 or more.
        restorer: another model for the same A, which takes the place of `model` where an original is a JPEG with its
            coefficients, or is taken to be noisy.

    Raises:
        CheckpointError, HubError: a model that is not there, damaged, or cannot be fetched.
        UsageError: model, kernel, settings, device and precision do not fit together.
    """

    def __init__(
        self,
        model: Model | str = DEFAULT_MODEL,
        settings: Settings | None = None,
        kernel: Kernel | None = None,
        *,
        size: SizeRequest | float | tuple[int, int] | None = None,
        texture: float | None = None,
        device: str = "auto",
        precision: str = "auto",
        restorer: Model | str | None = None,
    ) -> None:
        place = choose_device(device)
        model = load_model(find_model(model)) if isinstance(model, str) else model
        settings = settings or Settings()
        if texture is not None:
            settings = replace(settings, texture=texture)
        if settings.texture is not None and not isinstance(model, Textured):
            model = textured(model, settings.texture)
        if precision == "auto" and not model.halves_measured:
            precision = "fp32"
        dtype = choose_dtype(precision, place)
        if dtype not in model.dtypes:
            raise UsageError(f"{model.card.name} does not compute in {precision}", "--precision fp32")
        self.settings = settings if size is None else replace(settings, size=_request(size))
        """How it upscales."""
        exact = self.settings if restorer is None else replace(self.settings, noise=None)
        self.levels = LevelUpscaler(model, exact, kernel, place, dtype)
        self._make_restoring = partial(_restoring, restorer, self.settings, kernel, place, dtype)
        if restorer is not None and self.settings.noise is not None:
            self._restoring  # noqa: B018 (refuses what does not go with it before anything is read)

    @cached_property
    def _restoring(self) -> LevelUpscaler | None:
        """What upscales JPEGs and noisy originals, made when the first of them comes; None: as all others."""
        return self._make_restoring()

    def levels_for(self, picture: Picture) -> LevelUpscaler:
        """Choose what upscales the levels of a picture, by what it is taken to say."""
        if picture.jpeg is None and not picture.noise:
            return self.levels
        return self._restoring or self.levels

    def model_for(self, picture: Picture) -> Model:
        """Choose the model for a picture."""
        return self.levels_for(picture).model

    @property
    def model(self) -> Model:
        """The model, of originals whose samples are exact."""
        return self.levels.model

    @property
    def kernel(self) -> Kernel:
        """A."""
        return self.levels.kernel

    def at_texture(self, texture: float) -> "Upscaler":
        """Make the same upscaler at another texture. Raises UsageError where it has none, or for one outside 0 … 1."""
        levels, other = self.levels, copy.copy(self)
        if not isinstance(levels.model, Textured):
            raise UsageError(f"{levels.model.card.name} was not asked for texture", "Upscaler(texture=0.5)")
        other.settings = replace(self.settings, texture=texture)
        settings = replace(levels.settings, texture=texture)
        other.levels = LevelUpscaler(levels.model.at(texture), settings, levels.kernel, levels.device, levels.dtype)
        return other

    def kernel_for(self, picture: Picture) -> AnyKernel:
        """Choose A for a picture: the kernel, from the size that the settings ask for. Raises UsageError."""
        width, height = picture.size
        return self.levels.kernel_for((height, width))

    def size_of(self, picture: Picture) -> tuple[int, int]:
        """Compute the (width, height) that a picture is upscaled to. Raises UsageError as `kernel_for` does."""
        height, width = self.kernel_for(picture).hr_size(picture.size[::-1])
        return width, height

    def as_taken(self, picture: Picture) -> Picture:
        """Return a picture with what it is taken to say, as the settings ask for: with noise, where it has none yet.

        It has JPEG coefficients only where they serve as evidence; a note may say why not. Raises ImageError where the
        settings insist on coefficients that are not there.
        """
        picture, noise = self._with_coefficients(picture), self.settings.noise
        if noise is None or picture.noise:
            return picture
        if noise != "auto":
            return replace(picture, noise=noise)
        found = noise_level(picture.levels, picture.peak)
        return picture if found < LEAST_NOISE else replace(picture, noise=min(found, MOST_NOISE))

    def _with_coefficients(self, picture: Picture) -> Picture:
        jpeg = picture.jpeg
        if jpeg is None and self.settings.evidence == "jpeg":
            reason = picture.notes[-1] if picture.notes else "it was not read from a JPEG with its coefficients"
            raise ImageError(f"no evidence of a JPEG: {reason}", "--evidence auto takes its levels")
        if jpeg is None or not self.settings.asks_for_coefficients:
            return replace(picture, jpeg=None)
        if stored_kernel(jpeg, self.kernel_for(picture)) is not None:
            return picture if self.settings.texture is None else replace(picture, notes=(*picture.notes, _ENLARGED))
        return replace(picture, jpeg=None, notes=(*picture.notes, TURNED))

    def __call__(self, picture: PictureLike, *, sample: int = 1) -> PictureLike:
        """Upscale a picture; see `upscale`. Returns the same kind."""
        return self.upscale(picture, sample=sample)[0]

    def upscale(
        self, picture: PictureLike, progress: StageProgress = silent, *, sample: int = 1
    ) -> tuple[PictureLike, UpscaleReport]:
        """Upscale a picture, and report how it was made and what it gives back.

        Args:
            picture: a PIL image in mode L, LA, RGB or RGBA (EXIF orientation is applied); a numpy array of uint8 or
                uint16, [h, w] or [h, w, S] with 1 to 4 samples a pixel (grey, grey and alpha, RGB, RGB and alpha); or a
                tensor of uint8 or uint16, [h, w], [S, h, w] or [1, S, h, w].
            progress: called with (stage, done, total) while it is made.
            sample: number of the draw of a stochastic model, from 1 on: with the settings' seed it gives the same
                picture again.

        Returns:
            The same kind, s times as high and wide, and the report.

        Raises:
            ImageError: anything else, such as floats: levels are whole numbers.
            MapsrError: memory does not suffice.
        """
        upscaled, report = self._upscale(picture_from(picture), progress, sample)
        return picture_like(upscaled, picture), report

    def _upscale(self, picture: Picture, progress: StageProgress, sample: int) -> tuple[Picture, UpscaleReport]:
        """Upscale colour by the RGB (or grey) path, alpha and black ink by the grey one; all as the same `sample`.

        Stored colour is not multiplied by alpha, and neither is ours: of the two, only this one can be kept bit for bit
        in whole levels. Colour under fully transparent pixels is first replaced by its visible neighbours', so nothing
        hidden bleeds into what shows. Of a grey picture saved as a coloured one, one plane is upscaled: the result has
        no colour either. A JPEG with its coefficients is upscaled in the orientation that it is stored in.
        """
        picture = self.as_taken(picture)
        if picture.jpeg is not None:
            return self._upscale_jpeg(picture, picture.jpeg, progress, sample)
        colour = picture.levels if picture.alpha is None else spread(picture.levels, picture.alpha)
        inks = len(colour) == 4
        light = _light(colour[:3], picture.peak) if inks else colour
        parts = [_distinct(light), colour[3:]] if inks else [_distinct(light)]
        if picture.alpha is not None:
            parts.append(picture.alpha)
        results = [
            (self.levels if part is picture.alpha else self.levels_for(picture)).upscale(
                part,
                picture.peak,
                progress,
                exact=part is picture.alpha,
                sample=sample,
                evidence=None if part is picture.alpha else _noise_of(picture, part),
            )
            for part in parts
        ]
        levels = [part for part, _ in results]
        alpha = None if picture.alpha is None else levels.pop()
        light = levels[0].expand(len(light), -1, -1)
        colour = torch.cat([_light(light, picture.peak), levels[1]]) if inks else light.contiguous()
        upscaled = replace(picture, levels=colour, alpha=alpha)
        return upscaled, sum((report for _, report in results), UpscaleReport()) + self._checked(upscaled, picture)

    def _upscale_jpeg(
        self, picture: Picture, jpeg: JpegCoefficients, progress: StageProgress, sample: int
    ) -> tuple[Picture, UpscaleReport]:
        """Upscale what the coefficients say. Where they say of no pixel that it has a colour, the result has none."""
        said, kernel = jpeg.distinct, stored_kernel(jpeg, self.kernel_for(picture))
        seen = picture.levels[: said.tables.planes]
        made, report = self.levels_for(picture).upscale(
            said.as_stored(seen),
            picture.peak,
            progress,
            sample=sample,
            kernel=kernel,
            evidence=said.cells(seen.float()),
        )
        levels = said.as_seen(made).expand(len(picture.levels), -1, -1).contiguous()
        upscaled = replace(picture, levels=levels, jpeg=None)
        return upscaled, report + self._checked(upscaled, picture)

    def _checked(self, upscaled: Picture, original: Picture) -> UpscaleReport:
        """Report what the result gives back."""
        began = time.perf_counter()
        consistency, _ = compare(upscaled, original, self.kernel_for(original))
        return UpscaleReport(consistency=consistency, seconds={"project": time.perf_counter() - began})


def _restoring(
    model: Model | str | None, settings: Settings, kernel: Kernel | None, device: str, dtype: torch.dtype
) -> LevelUpscaler | None:
    """Make what upscales JPEGs and noisy originals; None without a model for them."""
    if model is None:
        return None
    return LevelUpscaler(
        load_model(find_model(model)) if isinstance(model, str) else model, settings, kernel, device, dtype
    )


def _request(size: SizeRequest | float | tuple[int, int]) -> SizeRequest:
    """Read a size as `Upscaler` takes it. Raises UsageError for anything else, and for one that is not positive."""
    match size:
        case SizeRequest():
            return size
        case int() | float():
            return SizeRequest(scale=float(size))
        case (int() as width, int() as height):
            return SizeRequest(fit=(width, height))
    raise UsageError(f"{size!r} is no size", "give a factor, the (width, height) of a box, or a SizeRequest")


def _noise_of(picture: Picture, part: Tensor) -> NoiseCube | None:
    """Return what the colour levels of a picture that is taken to be noisy say; None of others."""
    sigma = picture.noise * picture.peak / 255
    return NoiseCube(part.float(), sigma, picture.peak) if sigma else None


def _distinct(levels: Tensor) -> Tensor:
    """Take the first plane of levels [C, h, w] where all are equal: a grey picture saved as a coloured one."""
    return levels[:1] if all(torch.equal(levels[0], plane) for plane in levels[1:]) else levels


def _light(levels: Tensor, peak: int) -> Tensor:
    """Turn ink into light, or light into ink: the network knows pictures, not inks."""
    return (peak - levels.int()).to(levels.dtype)

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mapsr_cli.errors import MapsrError, UsageError
from mapsr_cli.imaging import Picture, read_frames, read_picture
from mapsr_cli.inference import Settings, Upscaler
from mapsr_cli.inference.comparison import compare
from mapsr_cli.inference.devices import choose_device, choose_dtype, multiplies_bf16
from mapsr_cli.inference.level_upscaler import ConsistencyLevel, LevelUpscaler
from mapsr_cli.inference.report import silent
from mapsr_cli.inference.sizes import SizeRequest
from mapsr_cli.operators import Consistency, consistency, downsampling, make_kernel, soften, to_levels
from mapsr_cli.zoo import DEFAULT_MODEL, find_model, load_model
from tests.bits import same_levels
from tests.jpegs import jpeg, photograph
from tests.one_bit import one_bit
from tests.pictures import EXAMPLES, lr_of, scene
from tests.told import told_model


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_saved_gives_the_original_back(tiny_model: Path, channels: int) -> None:
    model = load_model(tiny_model)
    x = lr_of(scene(160, 120, contrast=1.5), model.kernel)[:channels].byte()
    levels, report = Upscaler(model, precision="fp32").upscale(x)
    assert levels.shape == (channels, 160, 120)
    assert levels.dtype == torch.uint8
    assert report.consistency.holds
    assert report.mse_float < 1e-13
    assert report.max_abs_float < 1e-5
    op = downsampling(model.kernel, (160, 120), torch.float64)
    assert consistency(levels.double(), x.double(), op, 255).holds


def test_another_kernel_of_the_same_scale(tiny_model: Path) -> None:
    kernel = make_kernel("gaussian9", 4)
    x = lr_of(scene(80, 80), kernel)
    levels = Upscaler(load_model(tiny_model), kernel=kernel)(x.byte())
    assert consistency(levels.double(), x.double(), downsampling(kernel, (80, 80), torch.float64), 255).holds
    with pytest.raises(UsageError):
        Upscaler(load_model(tiny_model), kernel=make_kernel("bicubic", 2))


def test_the_promise_can_be_turned_down(tiny_model: Path) -> None:
    model = load_model(tiny_model)
    x = lr_of(scene(160, 160, contrast=3.0), model.kernel).byte()
    exact = {
        level: Upscaler(model, Settings(consistency=level)).upscale(x)[1].consistency.share
        for level in ("bits", "float", "none")
    }
    assert exact["bits"] == 1.0
    assert exact["none"] < exact["float"] < 1.0


@pytest.mark.parametrize("scale", [None, 3, 5.5])
@pytest.mark.parametrize("peak", [255, 65535])
def test_noise_is_kept_within_three_sigma(scale: float | None, peak: int) -> None:
    """And no sample is, as a lossless one would be, given back by design. Whatever the size."""
    x = to_levels(lr_of(scene(96, 128, contrast=2.0), make_kernel("bicubic", 4)) * (peak / 255), peak)
    picture = Picture(x.to(torch.uint8 if peak == 255 else torch.uint16), peak, noise=2.0)
    settings = Settings(noise=2.0, size=None if scale is None else SizeRequest(scale=scale))
    upscaler = Upscaler(told_model(), settings, precision="fp32")
    upscaled, report = upscaler._upscale(picture, silent, 1)
    _, beyond = compare(upscaled, picture, upscaler.kernel_for(picture))
    assert isinstance(report.consistency, Consistency)
    assert report.consistency.holds
    assert report.consistency.bit_exact < 0.9
    assert not beyond.any()
    assert 1 < report.consistency.worst_levels * 255 / peak <= 6.5  # and half a level of rounding


def test_what_is_told_of_noise_changes_the_estimate() -> None:
    x = lr_of(scene(96, 128), make_kernel("bicubic", 4)).byte()
    exact, small, large = (Upscaler(told_model(), Settings(noise=noise))(x) for noise in (None, 1.0, 20.0))
    assert not torch.equal(exact, small)
    assert not torch.equal(small, large)
    found = Upscaler(told_model()).upscale(x)[1].consistency
    assert found.holds
    assert found.share == 1


def test_noise_is_estimated_of_each_picture() -> None:
    upscaler = Upscaler(told_model(), Settings(noise="auto"))
    v, u = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    smooth = (128 + 60 * torch.sin(u / 15) * torch.cos(v / 19)).expand(3, -1, -1)
    noise = 6.0 * torch.randn(smooth.shape, generator=torch.Generator().manual_seed(1))
    found = [upscaler.as_taken(Picture(to_levels(y, 255).byte())).noise for y in (smooth, smooth + noise)]
    assert found == [0, pytest.approx(6.0, rel=0.2)]
    assert upscaler.as_taken(Picture(smooth.byte(), noise=3.0)).noise == 3.0


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (Settings(noise=0.1), "0.5 … 50"),
        (Settings(noise=float("nan")), "0.5 … 50"),
        (Settings(noise=3.0, strength=0.5), "exclude"),
        (Settings("none", noise=3.0), "nothing is promised"),
    ],
)
def test_settings_that_do_not_go_with_noise(settings: Settings, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        Upscaler(told_model(), settings)
    assert told in f"{caught.value} {caught.value.hint}"


def test_a_grey_picture_saved_as_a_coloured_one_gets_no_colour() -> None:
    """Neither a lossless one, with alpha or as four inks, nor a JPEG, whose chroma may lie half a step from zero."""
    upscaler = Upscaler(told_model(), precision="fp32")
    grey = lr_of(scene(96, 128), upscaler.kernel)[:1].byte()
    alone, _ = upscaler._upscale(Picture(grey), silent, 1)
    coloured = grey.expand(3, -1, -1)
    for picture in (Picture(coloured), Picture(coloured, alpha=torch.full_like(grey, 255))):
        made, report = upscaler._upscale(picture, silent, 1)
        assert report.consistency.holds
        assert torch.equal(made.levels, alone.levels.expand(3, -1, -1))
    inks, report = upscaler._upscale(Picture(torch.cat([255 - coloured, grey])), silent, 1)
    assert report.consistency.holds
    assert torch.equal(inks.levels, torch.cat([255 - alone.levels.expand(3, -1, -1), alone.levels]))
    image = photograph(24, 32).convert("L").convert("RGB")
    photo = read_frames(jpeg("4:2:0", image, quality=30), coefficients=True).pictures[0]
    assert photo.jpeg is not None
    assert len(photo.levels) == 3
    made, report = upscaler._upscale(photo, silent, 1)
    assert report.consistency.holds
    assert torch.equal(made.levels, made.levels[:1].expand(3, -1, -1))


def test_a_model_that_takes_every_sample_as_exact_knows_no_noise(tiny_model: Path) -> None:
    with pytest.raises(UsageError, match="would keep the noise"):
        Upscaler(load_model(tiny_model), Settings(noise="auto"))


def test_each_original_has_the_model_for_it(tiny_model: Path) -> None:
    """What is exact has one, a JPEG and what is taken to be noisy another; alpha is exact."""
    exact, restorer = load_model(tiny_model), told_model()
    lossless = lr_of(scene(96, 128), exact.kernel).byte()
    photo = read_frames(jpeg("4:2:0", photograph(24, 32)), coefficients=True).pictures[0]
    plain, noisy = Picture(lossless), Picture(lossless, noise=4.0, alpha=lossless[:1])
    upscaler = Upscaler(exact, restorer=restorer, precision="fp32")
    assert [upscaler.model_for(p).card.name for p in (plain, photo, noisy)] == [exact.card.name, "told", "told"]
    for picture, alone in ((plain, exact), (photo, restorer), (noisy, restorer)):
        made, _ = upscaler._upscale(picture, silent, 1)
        assert torch.equal(made.levels, Upscaler(alone, precision="fp32")._upscale(picture, silent, 1)[0].levels)
        if made.alpha is not None:
            assert picture.alpha is not None
            assert torch.equal(made.alpha[0], Upscaler(exact, precision="fp32")(picture.alpha)[0])
    auto = Upscaler(exact, Settings(noise="auto"), restorer=restorer)
    assert auto.settings.noise == "auto"
    with pytest.raises(UsageError):
        Upscaler(exact, Settings(noise=99.0), restorer=restorer)
    with pytest.raises(UsageError):
        Upscaler(exact, Settings(noise=9.0), restorer=exact)


@pytest.mark.parametrize("tile", [7, 16, 33])
def test_tiles_do_not_show(tiny_model: Path, tile: int) -> None:
    model = load_model(tiny_model)
    x = scene(40, 50)
    whole = LevelUpscaler(model, Settings(tile=0)).estimate(x / 255)
    assert (LevelUpscaler(model, Settings(tile=tile)).estimate(x / 255) - whole).abs().max() <= 1e-5


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (13, 2)])
def test_tiny_pictures(tiny_model: Path, size: tuple[int, int]) -> None:
    x = scene(16, 16)[:, : size[0], : size[1]].byte()
    assert Upscaler(load_model(tiny_model))(x).shape == (3, 4 * size[0], 4 * size[1])


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e9])
@pytest.mark.parametrize("consistency", ["bits", "float", "none"])
def test_what_is_no_picture_is_refused(tiny_model: Path, value: float, consistency: ConsistencyLevel) -> None:
    """As a network's estimate may be in float16, or with damaged weights."""
    model = load_model(tiny_model)
    vars(model)["network"] = Fails(model.network, value)
    with pytest.raises(MapsrError, match="tiny gives values that are not finite") as caught:
        Upscaler(model, Settings(consistency=consistency))(lr_of(scene(64, 48), model.kernel).byte())
    assert "fp32" in caught.value.hint


class Fails(nn.Module):
    """A network of which one value is wrong."""

    def __init__(self, network: nn.Module, value: float) -> None:
        super().__init__()
        self.network, self.value = network, value
        self.config, self.receptive_field, self.detail = network.config, network.receptive_field, network.detail

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.network(x)
        y[..., -1, -1] = self.value
        return y


def test_progress_is_told(tiny_model: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    Upscaler(load_model(tiny_model), Settings(tile=16)).upscale(
        scene(32, 32).byte(), progress=lambda stage, done, total: seen.append((stage, done, total))
    )
    assert seen[:5] == [("network", i, 4) for i in (1, 2, 3, 4)] + [("project", 0, 1)]
    assert all(stage == "round trip" and done <= total for stage, done, total in seen[5:-1])
    assert seen[-1] == ("project", 1, 1)


def test_a_softer_projection_is_one_onto_a_softened_original(tiny_model: Path) -> None:
    model = load_model(tiny_model)
    x = lr_of(scene(160, 120, contrast=0.5), model.kernel)
    upscaler = LevelUpscaler(model, Settings(strength=0.4))
    target = soften(x, model.kernel, 0.4).float()
    f = upscaler.estimate(target / 255) * 255
    expected = to_levels(upscaler.operator(40, 30).project(f, target), 255)
    assert (upscaler.upscale(x.byte())[0] - expected).abs().max() <= 1
    exact, _ = upscaler.upscale(x.byte(), exact=True)
    assert torch.equal(exact, LevelUpscaler(model).upscale(x.byte())[0])


def test_noise_weighs_less_at_less_strength() -> None:
    """A tenth of a decibel at least, on a photograph with noise of five levels."""
    model = load_model(find_model(DEFAULT_MODEL))
    hr = read_picture(EXAMPLES / "chelsea.png").levels[:, :160, 40:200].float()
    noise = torch.randn(3, 40, 40, generator=torch.Generator().manual_seed(0))
    x = (lr_of(hr, model.kernel) + 5 * noise).round().clamp(0, 255).byte()
    errors = [(Upscaler(model, Settings("float", strength=s))(x).float() - hr).square().mean() for s in (1.0, 0.7)]
    assert errors[1] < errors[0] * 10**-0.01


def test_bundled_model_is_nearer_the_truth_projected_than_not() -> None:
    """On LR = A(HR) unrounded, projecting can only help: here with the network's own estimate."""
    model = load_model(find_model(DEFAULT_MODEL))
    hr = scene(160, 160, seed=4) / 255
    op = downsampling(model.kernel, (160, 160))
    x = op.down(hr)
    f = LevelUpscaler(model).estimate(x) + op.pinv(x)
    assert (op.project(f, x) - hr).square().mean() <= (f - hr).square().mean()


def test_devices() -> None:
    assert choose_device("cpu") == "cpu"
    assert choose_dtype("bf16", "cpu") == torch.bfloat16
    assert choose_dtype("auto", "cpu") in (torch.float32, torch.bfloat16)
    for name in ("tpu9", "cuda:99", "meta"):
        with pytest.raises(UsageError):
            choose_device(name)


@pytest.mark.parametrize("level", ["bits", "none"])
def test_samples_differ_and_each_gives_the_original_back(stochastic_model: Path, level: ConsistencyLevel) -> None:
    model = load_model(stochastic_model)
    x = lr_of(scene(96, 80, contrast=0.5), model.kernel).byte()
    upscaler = Upscaler(model, Settings(level))
    (first, one), (second, two) = (upscaler.upscale(x, sample=sample) for sample in (1, 2))
    assert (first != second).double().mean() > 0.1
    assert (one.consistency.holds, two.consistency.holds) == ((level == "bits",) * 2)
    assert torch.equal(Upscaler(model, Settings(level))(x), first)
    assert not torch.equal(Upscaler(model, Settings(level, seed=1))(x), first)


@pytest.mark.parametrize("tile", [7, 33])
def test_noise_knows_no_tiles(stochastic_model: Path, tile: int) -> None:
    model, x = load_model(stochastic_model), scene(70, 90).byte()
    whole = LevelUpscaler(model, Settings(tile=0)).estimate(x / 255, sample=3)
    tiled = LevelUpscaler(model, Settings(tile=tile)).estimate(x / 255, sample=3)
    assert (tiled - whole).abs().max() <= 1e-5
    assert same_levels(*(Upscaler(model, Settings(tile=t))(x) for t in (0, tile)))


def test_tiles_are_chosen_for_stochastic_networks_too(stochastic_model: Path) -> None:
    assert LevelUpscaler(load_model(stochastic_model)).network.tile_for(torch.zeros(3, 9, 9)) >= 32


def test_samples_of_pictures_and_arrays(stochastic_model: Path) -> None:
    upscaler, picture = Upscaler(load_model(stochastic_model)), scene(9, 8).byte().permute(1, 2, 0).numpy()
    assert (upscaler(picture, sample=1) != upscaler(picture, sample=2)).any()


@pytest.mark.parametrize(
    ("features", "fast"),
    [((), False), (("avx512_f", "avx512_vnni"), False), (("avx512_bf16",), True), (("amx_bf16",), True)],
)
def test_bf16_only_where_the_processor_multiplies_it(features: tuple[str, ...], fast: bool) -> None:
    assert multiplies_bf16(features) == fast


def test_line_art_is_told_of_with_advice(tiny_model: Path) -> None:
    model = load_model(tiny_model)
    _, report = LevelUpscaler(model).upscale(one_bit("ordered dither", 48, 48))
    assert [note for note in report.notes if "approximated, tone first; --strength 0.5" in note]
    _, report = LevelUpscaler(model).upscale(lr_of(scene(160, 160, contrast=1.5), model.kernel))
    assert report.notes == ()
